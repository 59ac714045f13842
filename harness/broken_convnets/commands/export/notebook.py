"""A case as a notebook for a class: the program, its failure, questions, and the answer folded."""

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
from broken_convnets.verdicts.judge import against, broken_laws
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from broken_convnets.corpus.entries import Case

RAISES = "raises-exception"  # nbclient and Jupyter go on after such a cell
TRACE = """\
def describe(value):
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(describe, value))})"
    return "None" if value is None else type(value).__name__


def show(name):
    def hook(layer, inputs, output):
        takes = ", ".join(map(describe, inputs))
        print(f"{name} {type(layer).__name__}: {takes} -> {describe(output)}")

    return hook


net = Net()
for name, layer in net.named_modules():
    layer.register_forward_hook(show(name or "the network"))
"""
TRACEABLE = {Stage.FORWARD, Stage.RUN, Stage.SILENT}  # there is a network by then


def write_notebook(case: Case, path: Path) -> None:
    """Write a case as a Jupyter notebook that needs torch and nothing of ours.

    For a silent case its program is run, to say what was seen of the laws that it breaks.
    Raises UsageError where nbformat is missing, where `path` exists (a teacher may have
    changed it) or cannot be written.
    """
    if path.exists():
        message = f"{path} is there already: delete it, or name another file with --out"
        raise UsageError(message)
    formats = _nbformat()
    text = f"{formats.writes(_book(case, _seen_laws(case), formats.v4))}\n"
    try:
        files.write(path, text)
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror})"
        raise UsageError(message) from None


def _nbformat() -> Any:
    try:
        import nbformat  # noqa: PLC0415  (an extra: not installed for everyone)
    except ImportError:
        message = "a notebook needs nbformat: pip install 'broken-convnets[teach]'"
        raise UsageError(message) from None
    return nbformat


def _book(case: Case, seen: dict[str, str], v4: Any) -> Any:
    """Return the notebook, the same for the same case; `seen` says what broke, by promise."""
    cells = []
    for number, (kind, source, tags) in enumerate(_cells(case, seen)):
        make = v4.new_code_cell if kind == "code" else v4.new_markdown_cell
        cells.append(make(source, id=f"cell-{number}", metadata={"tags": tags} if tags else {}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _cells(case: Case, seen: dict[str, str]) -> Iterable[tuple[str, str, list[str]]]:
    """Yield each cell's kind, source and tags."""
    tree = ast.parse(case.broken)
    intent = ast.get_docstring(tree) or ""
    definitions, call = _split(case.broken, tree)
    stage = case.spec.broken.stage
    fails = [] if stage is Stage.SILENT else [RAISES]
    yield "md", f"# What is the matter with this network?\n\n{intent}", []
    yield "code", definitions, fails if stage is Stage.IMPORT else []
    yield "md", _before(stage), []
    yield "code", call, fails
    if stage in TRACEABLE:
        yield (
            "md",
            "## What each layer takes and gives\n\nOf a layer that fails nothing is printed.",
            [],
        )
        yield "code", f"{TRACE}{call.replace('Net()', 'net')}", fails
    yield "md", _questions(case), []
    yield "md", "## Your turn\n\nMend the program above and run it again, then compare.", []
    yield "md", _laws(case, seen), []
    yield "md", _answer(case), []


def _split(source: str, tree: ast.Module) -> tuple[str, str]:
    """Return the definitions without the docstring, and the call of the main guard."""
    guard, first = tree.body[-1], tree.body[1]
    lines = source.splitlines(keepends=True)
    definitions = "".join(lines[first.lineno - 1 : guard.lineno - 1]).rstrip()
    call = "\n".join(map(ast.unparse, guard.body)) if isinstance(guard, ast.If) else ""
    return definitions, call


def _before(stage: Stage) -> str:
    if stage is Stage.SILENT:
        return "It runs. Nothing is raised, and still something is wrong."
    return "Run it, and read the message: what does it name, and which line does it blame?"


def _questions(case: Case) -> str:
    hints = "\n".join(
        f"{number}. {_folded('a hint', text)}"
        for number, text in enumerate(case.spec.hints, start=1)
    )
    return f"## Questions\n\n{hints}"


def _laws(case: Case, seen: dict[str, str]) -> str:
    judge = (
        f"`broken-convnets learn {alias(case)} --once` judges a program by the laws that every "
        "healthy network obeys."
    )
    if not seen:
        silence = "Not when it stops raising: a network that returns zeros does not raise either."
        return f"## When is it mended?\n\n{silence} {judge}"
    lines = [f"- {promise}\n\n  Seen here: {note}." for promise, note in seen.items()]
    return "\n\n".join(["## What should hold and does not", *lines, judge])


def _answer(case: Case) -> str:
    lines = difflib.unified_diff(
        case.broken.splitlines(), case.fixed.splitlines(), n=2, lineterm=""
    )
    diff = "\n".join(line for line in list(lines)[2:] if not line.startswith("@@"))
    parts = [
        case.spec.title,
        f"```diff\n{diff}\n```",
        case.spec.why,
        f"**Next time:** {case.spec.diagnose}",
        f"**Ask:** {case.spec.distinguish}",
    ]
    return "## The answer\n\n" + _folded("show it", "\n\n".join(["", *parts, ""]))


def _folded(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>{text}</details>"


def _seen_laws(case: Case) -> dict[str, str]:
    """Return by its promise what was seen of each law that a silent case breaks."""
    broken = case.spec.broken
    if broken.stage is not Stage.SILENT:
        return {}
    with open_torch_runner(Limits()) as runner:
        (ending,) = runner.run([Job(0, OBSERVE, RunRequest(case.broken))], Observation)
    seen = ending.answer
    if seen is None or seen.raised:
        message = f"{case.id} does not run here: no notebook was written"
        raise UsageError(message)
    notes = against(case.healthy, seen)
    return {
        law.description: notes.get(law) or seen.laws[law].note
        for law in sorted(broken_laws(case.healthy, seen) & broken.violates)
    }
