"""One sandbox for all samples of an evaluation: judge programs, and run them for an agent."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from broken_convnets.commands.learn.judge import Judge
from broken_convnets.corpus.contract import check_contract
from broken_convnets.inspect_task.drawing import hidden_folders
from broken_convnets.observe.facts import ScriptRequest, ScriptRun
from broken_convnets.observe.runner import SCRIPT, open_torch_runner
from broken_convnets.sandbox.job import Job, Limits

if TYPE_CHECKING:
    from broken_convnets.commands.learn.judge import Judgement
    from broken_convnets.corpus.entries import Case
    from broken_convnets.sandbox.job import JobResult
    from broken_convnets.sandbox.runner import Runner

# The one thread that starts the sandbox and uses it: the sandbox ends with the thread that
# started it, and runs one request at a time.
_THREAD = ThreadPoolExecutor(1, "broken_convnets")


@cache
def _runner_that_hides(*folders: str) -> Runner:
    return open_torch_runner(Limits(hidden=list(folders)))


def _runner() -> Runner:
    return _runner_that_hides(*hidden_folders())


@cache
def _judge_with(runner: Runner) -> Judge:
    return Judge(runner=runner)


def judge(case: Case, source: str) -> Judgement:
    """Return whether `source` repairs `case`; see `broken_convnets.judge`."""
    return _THREAD.submit(lambda: _judge_with(_runner())(case, source)).result()


def run_program(source: str, name: str) -> str:
    """Return what `python name` prints for the program `source`, with its traceback.

    A program that violates the contract for programs is not run. The sandbox cannot read the
    corpus, so that nothing it prints is an answer.
    """
    try:
        violations = check_contract(ast.parse(source, name))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{name} was not run: {error}"
    if violations:
        return f"{name} was not run: {'; '.join(violations)}"
    result = _THREAD.submit(_run, source, name).result()
    if result.answer is None:
        return f"{name} did not end: {result.status}: {result.detail}"
    printed = f"{result.answer.printed}{result.answer.traceback}".strip()
    return printed or f"{name} printed nothing and raised nothing."


def _run(source: str, name: str) -> JobResult[ScriptRun]:
    (result,) = _runner().run([Job(0, SCRIPT, ScriptRequest(source, name))], ScriptRun)
    return result
