"""Judge whether a program repairs a case: the public interface to the grader.

`learn`, `score` and the tasks for agents judge by the same grader.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from broken_convnets.commands.learn.checks import APPLIES_HERE, CONTRACT
from broken_convnets.commands.learn.grader import Grader
from broken_convnets.commands.learn.repair import grade_repair
from broken_convnets.corpus.entries import Case, default_root, find
from broken_convnets.errors import CorpusError
from broken_convnets.observe.runner import open_torch_runner
from broken_convnets.sandbox.job import Limits

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from broken_convnets.commands.learn.grading_result import GradingResult
    from broken_convnets.sandbox.runner import Runner

FILE = "net.py"  # the name of the judged program in tracebacks


class RepairVerdict(StrEnum):
    """What became of a program that is meant to repair a case."""

    REPAIRED = "repaired"  # it obeys every law and does what the fix of the corpus does
    VIOLATES = "violates"  # it runs, and violates a law or a check
    FAILS = "fails"  # it raises, exceeds a limit or ends its process
    REFUSED = "refused"  # it violates the contract for programs, and was not run
    NOT_APPLICABLE = "not-applicable"  # the case does not apply to the installed release of torch


@dataclass(frozen=True)
class Judgement:
    """The verdict on one program.

    `violated` names the laws and checks that it violates. `reason` says in one line why it is not
    a repair, and is empty if it is one.
    """

    case: str
    verdict: RepairVerdict
    violated: tuple[str, ...] = ()
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the program repairs the case."""
        return self.verdict is RepairVerdict.REPAIRED


class Judge:
    """Judges programs one after another, in processes that load torch once.

    Use it as a context manager, and call it like `judge`.
    """

    def __init__(self, corpus: Path | None = None, runner: Runner | None = None) -> None:
        """Judge cases of the folder `corpus` (default: the corpus of this package).

        Starts a process with torch, unless an open `runner` is passed; raises RunnerError if
        torch is missing.
        """
        self._root = corpus or default_root()
        self._runner = runner or open_torch_runner(Limits(hidden=[str(self._root)]))
        self._grader = Grader(self._runner)

    def __call__(self, case: str | Case, source: str) -> Judgement:
        """Return the judgement of one program; see `judge`."""
        _require_str("source", source, "pass the text of the program as str")
        found = case if isinstance(case, Case) else _case(self._root, case)
        return judgement(grade_repair(self._grader, found, source, FILE))

    def __enter__(self) -> Self:
        """Return this judge."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self._runner.close()


def judge(case: str | Case, source: str, *, corpus: Path | None = None) -> Judgement:
    """Return whether the program `source` repairs a case.

    `case` is an id, such as "none/missing_return", or an entry of the corpus. `corpus` is the
    folder that contains it (default: the corpus of this package). The program runs in a sandbox,
    never in this process. Raises CorpusError if the id is unknown, ambiguous or that of a control,
    TypeError if `source` is not a str, and RunnerError if the fix of the corpus does not run here.
    """
    with Judge(corpus) as judging:
        return judging(case, source)


def judgement(result: GradingResult) -> Judgement:
    """Return the judgement that a result of grading amounts to."""
    violated = tuple(dict.fromkeys(violation.law for violation in result.violations))
    notes = "; ".join(f"{one.violation} ({one.note})" for one in result.violations)
    reason = " ".join((result.failure or notes).split())
    return Judgement(result.id, _verdict(result, violated), violated, reason)


def _verdict(result: GradingResult, violated: tuple[str, ...]) -> RepairVerdict:
    if result.solved:
        return RepairVerdict.REPAIRED
    if result.failure:
        return RepairVerdict.FAILS
    if APPLIES_HERE.name in violated:
        return RepairVerdict.NOT_APPLICABLE
    return RepairVerdict.REFUSED if CONTRACT.name in violated else RepairVerdict.VIOLATES


def _case(root: Path, name: str) -> Case:
    _require_str("case", name, "pass an id, such as 'none/missing_return'")
    entry = find(root, name)
    if isinstance(entry, Case):
        return entry
    message = f"{entry.id} is a control, which works: pass the id of a case, see `list`"
    raise CorpusError(message)


def _require_str(name: str, value: object, hint: str) -> None:
    if not isinstance(value, str):
        message = f"{name} is {type(value).__name__}: {hint}"
        raise TypeError(message)
