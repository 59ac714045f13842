"""The solvers: one answer of the model, or an agent that can run the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from inspect_ai.agent import AgentSubmit, as_solver, react
from inspect_ai.solver import generate, solver
from inspect_ai.tool import tool

from broken_convnets.commands.export.prompt import FILE
from broken_convnets.commands.score.programs.patch import PatchError, apply_patch
from broken_convnets.inspect_task.judging import run_program

if TYPE_CHECKING:
    from inspect_ai.solver import Generate, Solver, TaskState
    from inspect_ai.tool import Tool

PROGRAM = "program"  # the key of a sample's metadata; its value is the text in the prompt
TURNS = 12  # of the agent
SUBMIT = "Submit the answer: a unified diff in a code block, or NOTHING."


@solver
def one_turn() -> Solver:
    """Let the model answer once."""
    return generate()


@solver
def agent(turns: int = TURNS) -> Solver:
    """Let the model run the program, and changed versions of it, before it submits an answer.

    Nothing tells it whether an answer is right. After `turns` runs it can only submit.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        tools = [run_with(state.metadata[PROGRAM], turns)]
        submit = AgentSubmit(description=SUBMIT, answer_only=True)
        return await as_solver(react(tools=tools, submit=submit))(state, generate)

    return solve


@tool(name="run")
def run_with(source: str, turns: int) -> Tool:
    """Make the tool that runs `source` with a diff applied, at most `turns` times."""
    left = turns

    async def run(diff: str = "") -> str:
        """Run net.py as Python does, and return what it prints and its traceback.

        Args:
            diff: A unified diff that is applied first. The file itself does not change.

        """
        nonlocal left
        if not left:
            return f"{FILE} was not run: submit an answer now."
        left -= 1
        try:
            changed = apply_patch(diff, source) if diff.strip() else source
        except PatchError as error:
            return f"{FILE} was not run: {error}"
        printed: str = await anyio.to_thread.run_sync(run_program, changed, FILE)
        return printed

    return run
