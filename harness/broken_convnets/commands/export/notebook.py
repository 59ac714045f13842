"""A case as a Jupyter notebook: the program, its failure, questions, and a folded answer."""

from __future__ import annotations

import ast
import difflib
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.learn.ordering import alias
from broken_convnets.errors import UsageError
from broken_convnets.observe.facts import Observation, RunRequest
from broken_convnets.observe.runner import OBSERVE, open_torch_runner
from broken_convnets.sandbox.job import Job, Limits
from broken_convnets.util import files
from broken_convnets.verdicts.declared_laws import against, violated_laws
from broken_convnets.vocabulary import Law, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from broken_convnets.corpus.entries import Case

RAISES = "raises-exception"  # the tag of a cell after whose exception Jupyter continues
TRACE = """\
def describe(value):
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(describe, value))})"
    return "None" if value is None else type(value).__name__


def show(name):
    def hook(layer, inputs, output):
        received = ", ".join(map(describe, inputs))
        print(f"{name} {type(layer).__name__}: {received} -> {describe(output)}")

    return hook


net = Net()
for name, layer in net.named_modules():
    layer.register_forward_hook(show(name or "the network"))
"""
TRACEABLE = {Stage.FORWARD, Stage.RUN, Stage.SILENT}  # the network exists by then


def write_notebook(case: Case, path: Path) -> None:
    """Write a case as a Jupyter notebook that needs only torch and what the case imports.

    Runs a silent case to report what was observed of the laws that it violates. Raises UsageError
    if nbformat is missing, or if `path` exists or cannot be written.
    """
    if path.exists():
        message = f"{path} exists already: delete it, or name another file with --out"
        raise UsageError(message)
    formats = _nbformat()
    text = f"{formats.writes(_notebook(case, _observed_violations(case), formats.v4))}\n"
    try:
        files.write(path, text)
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror}): name another file with --out"
        raise UsageError(message) from None


def _nbformat() -> Any:
    try:
        import nbformat  # noqa: PLC0415  (an extra: not installed for everyone)
    except ImportError:
        message = "a notebook needs nbformat: pip install 'broken-convnets[teach]'"
        raise UsageError(message) from None
    return nbformat


def _notebook(case: Case, observed: dict[Law, str], v4: Any) -> Any:
    """Return the notebook; it is the same for every call with the same case."""
    cells = []
    for number, (kind, source, tags) in enumerate(_cells(case, observed)):
        make = v4.new_code_cell if kind == "code" else v4.new_markdown_cell
        cells.append(make(source, id=f"cell-{number}", metadata={"tags": tags} if tags else {}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _cells(case: Case, observed: dict[Law, str]) -> Iterable[tuple[str, str, list[str]]]:
    """Yield each cell's kind, source and tags."""
    tree = ast.parse(case.broken)
    intent = ast.get_docstring(tree) or ""
    definitions, call = _split(case.broken, tree)
    stage = case.spec.broken.stage
    fails = [] if stage is Stage.SILENT else [RAISES]
    yield "md", f"# What is wrong with this network?\n\n{intent}", []
    yield "code", definitions, fails if stage is Stage.IMPORT else []
    yield "md", _before(stage), []
    yield "code", call, fails
    if stage in TRACEABLE:
        yield "md", "## Layer trace\n\nA layer that raises is missing from this list.", []
        yield "code", f"{TRACE}{call.replace('Net()', 'net')}", fails
    yield "md", _questions(case), []
    yield "md", "## Your turn\n\nFix the program above, run it again, and compare.", []
    yield "md", _criteria(case, observed), []
    yield "md", _answer(case), []


def _split(source: str, tree: ast.Module) -> tuple[str, str]:
    """Return the definitions without the docstring, and the body of the main guard."""
    guard, first = tree.body[-1], tree.body[1]
    lines = source.splitlines(keepends=True)
    definitions = "".join(lines[first.lineno - 1 : guard.lineno - 1]).rstrip()
    call = "\n".join(map(ast.unparse, guard.body)) if isinstance(guard, ast.If) else ""
    return definitions, call


def _before(stage: Stage) -> str:
    if stage is Stage.SILENT:
        return "The program runs and raises nothing. Still, something is wrong."
    return "Run it and read the message: what does it name, and which line raises?"


def _questions(case: Case) -> str:
    hints = "\n".join(
        f"{number}. {_details('a hint', text)}"
        for number, text in enumerate(case.spec.hints, start=1)
    )
    return f"## Questions\n\n{hints}"


def _criteria(case: Case, observed: dict[Law, str]) -> str:
    grader = (
        f"`broken-convnets learn {alias(case)} --once` checks a program against the laws: "
        "invariants that every healthy network obeys."
    )
    if not observed:
        warning = "It is not enough that nothing is raised: a network that returns zeros raises "
        return f"## When is it fixed?\n\n{warning}nothing either. {grader}"
    lines = [f"- {law.description}\n\n  Observed here: {note}." for law, note in observed.items()]
    return "\n\n".join(["## What should hold, and does not hold here", *lines, grader])


def _answer(case: Case) -> str:
    lines = difflib.unified_diff(
        case.broken.splitlines(), case.fixed.splitlines(), n=2, lineterm=""
    )
    diff = "\n".join(line for line in list(lines)[2:] if not line.startswith("@@"))
    parts = [
        f"**{case.spec.title}**",
        f"**What it means.** {case.spec.why}",
        f"**The fix.**\n\n```diff\n{diff}\n```",
        f"**How to find it next time.** {case.spec.diagnose}",
        f"**How to tell it apart.** {case.spec.distinguish}",
    ]
    return "## The answer\n\n" + _details("show the answer", "\n\n".join(["", *parts, ""]))


def _details(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>{text}</details>"


def _observed_violations(case: Case) -> dict[Law, str]:
    """Return what was observed of each law that a silent case violates."""
    broken = case.spec.broken
    if broken.stage is not Stage.SILENT:
        return {}
    with open_torch_runner(Limits()) as runner:
        (result,) = runner.run([Job(0, OBSERVE, RunRequest(case.broken))], Observation)
    seen = result.answer
    if seen is None or seen.raised:
        message = f"{case.id} does not run here, so no notebook was written"
        raise UsageError(message)
    notes = against(case.healthy, seen)
    return {
        law: notes.get(law) or seen.laws[law].note
        for law in sorted(violated_laws(case.healthy, seen) & broken.violates)
    }
