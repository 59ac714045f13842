"""The cells of a notebook: a program, its failure, questions, and a cell that checks the fix."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.export.notebook_links import badges
from broken_convnets.commands.export.questions import questions
from broken_convnets.commands.learn.cell_check import marker
from broken_convnets.commands.learn.ordering import alias
from broken_convnets.vocabulary import Law, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

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
TASK = (
    "Each program has one mistake. Run its cells from top to bottom, answer the questions, and "
    "correct the cell with the program. Run that cell again, and then the cell that checks it."
)
INSTALL = "If the import in that cell fails, run `%pip install broken-convnets` first."
CRITERIA = (
    "### When is it fixed?\n\nCorrect the program above, run its cell, and then run the next cell. "
    "It checks the laws: invariants that every healthy network obeys."
)
TRACEABLE = {Stage.FORWARD, Stage.RUN, Stage.SILENT}  # the network exists by then


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook; Markdown, unless it `is_code`."""

    source: str
    is_code: bool = False
    tags: tuple[str, ...] = ()


def title_cell(programs: int, address: str, *, has_answers: bool) -> Cell:
    """Return the first cell: what to do, and links to open the notebook at Colab and Binder."""
    network = "this network" if programs == 1 else f"these {programs} networks"
    lines = [f"# What is wrong with {network}?", TASK, INSTALL]
    if has_answers:
        lines.insert(1, "**This is the teacher's copy: it has the answers.**")
    return Cell("\n\n".join(lines + badges(address)))


def case_cells(case: Case, observed: dict[Law, str], *, has_answers: bool) -> Iterator[Cell]:
    """Yield the cells of one case; `observed` says how a silent one violates each law."""
    tree = ast.parse(case.broken)
    definitions, call = _split(case.broken, tree)
    stage = case.spec.broken.stage
    fails = () if stage is Stage.SILENT else (RAISES,)
    name = alias(case).rpartition("/")[2]
    yield Cell(f"## {name}\n\n{ast.get_docstring(tree) or ''}")
    program = f"{marker(name)}\n{definitions}"
    yield Cell(program, is_code=True, tags=fails if stage is Stage.IMPORT else ())
    yield Cell(_before(stage))
    yield Cell(call, is_code=True, tags=fails)
    if stage in TRACEABLE:
        yield Cell("### Layer trace\n\nA layer that raises is missing from this list.")
        yield Cell(f"{TRACE}{call.replace('Net()', 'net')}", is_code=True, tags=fails)
    yield from _question_cells(case, has_answers=has_answers)
    yield Cell(_criteria(observed))
    check = f'from broken_convnets import check_cell\n\ncheck_cell("{name}", In)'
    yield Cell(check, is_code=True)
    if has_answers:
        yield Cell(fix_of(case))


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


def _question_cells(case: Case, *, has_answers: bool) -> Iterator[Cell]:
    yield Cell("### Questions\n\nWrite your answer into the cell of the question.")
    for number, question in enumerate(questions(case), start=1):
        answer = f"*Answer:* {question.answer}" if has_answers else "*Your answer:*"
        yield Cell(f"{number}. {question.text}\n\n{answer}")
    hints = "\n".join(f"{_details('a hint', text)}" for text in case.spec.hints)
    yield Cell(f"### Hints\n\n{hints}")


def _criteria(observed: dict[Law, str]) -> str:
    if not observed:
        return f"{CRITERIA} A network that returns zeros raises nothing either, and is not fixed."
    laws = [f"- {law.description}\n\n  Observed here: {note}." for law, note in observed.items()]
    folded = _details("show what does not hold here", "\n\n".join(["", *laws, ""]))
    return f"{CRITERIA}\n\n{folded}"


def fix_of(case: Case) -> str:
    """Return the fix of a case as a section of Markdown: its title, its id and a diff."""
    lines = difflib.unified_diff(
        case.broken.splitlines(), case.fixed.splitlines(), n=2, lineterm=""
    )
    diff = "\n".join(line for line in list(lines)[2:] if not line.startswith("@@"))
    return f"### The fix\n\n**{case.spec.title}** (`{case.id}`)\n\n```diff\n{diff}\n```"


def _details(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>{text}</details>"
