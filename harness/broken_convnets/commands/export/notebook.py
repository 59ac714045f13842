"""Write cases as a Jupyter notebook: the learner's copy, and the teacher's with the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broken_convnets.commands.export.notebook_cells import Cell, case_cells, title_cell
from broken_convnets.commands.export.output import require_new, write_new
from broken_convnets.errors import UsageError
from broken_convnets.observe.facts import Observation, RunRequest
from broken_convnets.observe.runner import OBSERVE, open_torch_runner
from broken_convnets.sandbox.job import Job, Limits
from broken_convnets.verdicts.declared_laws import against, violated_laws
from broken_convnets.vocabulary import Law, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from broken_convnets.corpus.entries import Case


def write_notebook(
    cases: Sequence[Case], path: Path, *, key: bool = False, address: str = ""
) -> list[Path]:
    """Write cases as one Jupyter notebook, and return the paths of what is written.

    With `key`, the teacher's copy is `NAME_key.ipynb` beside it; only that one has the answers.
    `address` is where the notebook will be on GitHub, for links to Colab and Binder. Runs silent
    cases to report what was observed of the laws that they violate. Raises UsageError if nbformat
    is missing, or if a file exists or cannot be written.
    """
    copies = {path: False}
    if key:
        copies[path.with_stem(f"{path.stem}_key")] = True
    require_new(copies)
    formats = _nbformat()
    observed = _observed_violations(cases)
    texts = {}
    for each, has_answers in copies.items():
        cells = [title_cell(len(cases), address, has_answers=has_answers)]
        for case in cases:
            cells += case_cells(case, observed[case.id], has_answers=has_answers)
        texts[each] = f"{formats.writes(_notebook(cells, formats.v4))}\n"
    return write_new(texts)


def _nbformat() -> Any:
    try:
        import nbformat  # noqa: PLC0415  (an extra: not installed for everyone)
    except ImportError:
        message = "a notebook needs nbformat: pip install 'broken-convnets[teach]'"
        raise UsageError(message) from None
    return nbformat


def _notebook(cells: list[Cell], v4: Any) -> Any:
    """Return the notebook; it is the same for every call with the same cells."""
    made = []
    for number, cell in enumerate(cells):
        make = v4.new_code_cell if cell.is_code else v4.new_markdown_cell
        metadata = {"tags": list(cell.tags)} if cell.tags else {}
        made.append(make(cell.source, id=f"cell-{number}", metadata=metadata))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=made, metadata={"kernelspec": kernel})


def _observed_violations(cases: Sequence[Case]) -> dict[str, dict[Law, str]]:
    """Return for each case what was observed of each law that it violates, if it is silent."""
    silent = [case for case in cases if case.spec.broken.stage is Stage.SILENT]
    found: dict[str, dict[Law, str]] = {case.id: {} for case in cases}
    if not silent:
        return found
    jobs = [Job(number, OBSERVE, RunRequest(case.broken)) for number, case in enumerate(silent)]
    with open_torch_runner(Limits()) as runner:
        for result in runner.run(jobs, Observation):
            case = silent[result.job]
            found[case.id] = _violations(case, result.answer)
    return found


def _violations(case: Case, seen: Observation | None) -> dict[Law, str]:
    if seen is None or seen.raised:
        message = f"{case.id} does not run here, so no notebook was written"
        raise UsageError(message)
    notes = against(case.healthy, seen)
    return {
        law: notes.get(law) or seen.laws[law].note
        for law in sorted(violated_laws(case.healthy, seen) & case.spec.broken.violates)
    }
