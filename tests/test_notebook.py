"""A notebook fails where the case is declared to fail, and nowhere else."""

from __future__ import annotations

import json
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbclient
import nbformat
import pytest
from broken_convnets.commands.export.notebook import write_notebook
from broken_convnets.commands.export.notebook_cells import RAISES as RAISES_TAG
from broken_convnets.commands.export.notebook_links import badges
from broken_convnets.commands.learn import cell_check
from broken_convnets.commands.learn.judge import Judge
from broken_convnets.corpus.entries import Case
from kit import BROKEN, RAISES, SAYS, Pair, corpus_of, our_corpus, patched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Command
    from kit import Remembering

SECONDS = 120  # for a cell: the first one loads torch, on a busy machine


@pytest.fixture(scope="module", autouse=True)
def _no_second_server(runner: Remembering) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "broken_convnets.commands.export.notebook.open_torch_runner",
            lambda _: nullcontext(runner),
        )
        yield


def _written(folder: Path, *names: str) -> Any:
    cases: Any = [our_corpus().entries[name] for name in names]
    write_notebook(cases, folder / "class.ipynb", key=True)
    book = nbformat.read(folder / "class.ipynb", as_version=4)
    nbformat.validate(book)
    return book


@pytest.fixture(scope="module")
def executed(_no_second_server: None, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Return the code cells of a notebook of two cases, run by a kernel that loads torch once.

    The first case raises, the second one is silent. The kernel raises where an untagged cell does.
    """
    folder = tmp_path_factory.mktemp("class")
    book = _written(folder, "none/missing_return", "batch/softmax_over_batch")
    resources = {"metadata": {"path": folder}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Jupyter's own
        nbclient.NotebookClient(book, timeout=SECONDS, resources=resources).execute()
    return [cell for cell in book.cells if cell.cell_type == "code"]


def _text(outputs: list[Any]) -> str:
    return "".join(item.get("text", "") + str(item.get("evalue", "")) for item in outputs)


@pytest.mark.slow
def test_the_notebook_of_a_case_that_raises_fails_as_declared_and_traces_layers(
    executed: list[Any],
) -> None:
    program, run, trace, check = (cell.outputs for cell in executed[:4])
    assert program == []
    assert "net_ace2ca is not fixed yet: TypeError: flatten(): argument 'input'" in _text(check)
    assert _text(run).endswith("must be Tensor, not NoneType")
    assert "attend ChannelAttention: float32[4, 8, 6, 6] -> None" in _text(trace)
    tags = [cell.metadata.get("tags", []) for cell in executed[:4]]
    assert tags == [[], [RAISES_TAG], [RAISES_TAG], []]


@pytest.mark.slow
def test_the_notebook_of_a_silent_case_runs_to_its_end_and_names_the_law(
    executed: list[Any], tmp_path: Path
) -> None:
    silent = executed[4:]
    assert len(silent) > 1
    assert all(item.output_type != "error" for cell in silent for item in cell.outputs)
    page = "\n".join(cell.source for cell in _written(tmp_path, "batch/softmax_over_batch").cells)
    assert "In eval mode, the output for a sample does not depend on the rest of its batch." in page
    assert "Observed here: a sample has another output alone than in a batch." in page


def test_only_the_key_has_the_answers(tmp_path: Path) -> None:
    book = _written(tmp_path, "none/missing_return")
    case: Any = our_corpus().entries["none/missing_return"]
    learners = "\n".join(cell.source for cell in book.cells)
    key = (tmp_path / "class_key.ipynb").read_text()
    for secret in (case.spec.title, case.spec.why, case.spec.diagnose, "missing_return"):
        assert secret not in learners
        assert json.dumps(secret)[1:-1] in key
    assert "return x * weights" not in learners
    assert "+        return x * weights[:, :, None, None]" in key


def test_one_notebook_has_several_cases_with_questions_and_checks(tmp_path: Path) -> None:
    entries = our_corpus().entries
    cases: Any = [entries["none/missing_return"], entries["shape/missing_flatten"]]
    write_notebook(cases, tmp_path / "lesson.ipynb")
    page = "\n".join(
        cell.source for cell in nbformat.read(tmp_path / "lesson.ipynb", as_version=4).cells
    )
    for name in ("net_ace2ca", "net_add156"):
        assert f'check_cell("{name}", In)' in page
    assert page.count("Which line contains the mistake?\n\n*Your answer:*") == len(cases)


@pytest.mark.slow
def test_the_check_judges_the_last_version_of_the_cell(
    runner: Remembering, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cell_check, "_judge", lambda: Judge(runner=runner))
    case: Any = our_corpus().entries["none/missing_return"]
    first = cell_check.marker("net_ace2ca")
    broken, fixed = (f"{first}\n{text}" for text in (case.broken, case.fixed))
    zeros = broken.replace("x = x * weights[:, :, None, None]", "return torch.zeros_like(x)")
    other = f"{cell_check.marker('net_add156')}\n{case.fixed}"
    for history, said in (
        ([], "Run the cell that begins with `# Program net_ace2ca` first."),
        ([fixed, broken, other], "net_ace2ca is not fixed yet: TypeError"),
        ([broken, zeros], "net_ace2ca is not fixed yet: "),
        ([broken, fixed, "1 + 1"], "net_ace2ca is fixed: it obeys every law."),
    ):
        cell_check.check_cell("net_ace2ca", ["", *history])
        assert capsys.readouterr().out.startswith(said)


def test_a_sheet_has_programs_and_questions_and_its_key_the_answers(
    harness: Command, tmp_path: Path
) -> None:
    out = tmp_path / "sheet.md"
    done = harness("export", "--sheet", "pair", "--key", "--out", str(out))
    assert done.out.splitlines() == [str(out), str(tmp_path / "sheet_key.md")]
    sheet, key = (Path(line).read_text() for line in done.out.splitlines())
    assert BROKEN.strip() in sheet
    assert "Which line contains the mistake?" in sheet
    assert "+        return self.fc(torch.flatten(x, 1))" not in sheet
    assert "+        return self.fc(torch.flatten(x, 1))" in key
    assert f"Which line contains the mistake?\n\n`return {RAISES}`" in key
    assert harness("export", "--sheet", "pair", "--out", str(out)).code == 2


def test_links_open_the_notebook_at_colab_and_binder() -> None:
    (line,) = badges("https://github.com/me/class/blob/main/week_1/a.ipynb")
    colab = "https://colab.research.google.com/github/me/class/blob/main/week_1/a.ipynb"
    assert f"({colab})" in line
    assert "(https://mybinder.org/v2/gh/me/class/main?labpath=week_1%2Fa.ipynb)" in line
    assert badges("") == []


def test_another_address_is_refused(harness: Command, tmp_path: Path) -> None:
    out = tmp_path / "x.ipynb"
    done = harness("export", "pair", "--notebook", "--out", str(out), "--address", "https://x.org")
    assert done.code == 2
    assert "'https://x.org' is not the address of a notebook on GitHub, such as" in done.err
    assert not out.exists()


def test_notebooks_of_one_case_are_identical(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _written(tmp_path / name, "none/missing_return")
    one, two = ((tmp_path / name / "class.ipynb").read_bytes() for name in ("one", "two"))
    assert one == two


def test_cases_of_every_stage_have_a_notebook(tmp_path: Path) -> None:
    stages: dict[str, Case] = {
        entry.spec.broken.stage: entry
        for entry in our_corpus().entries.values()
        if isinstance(entry, Case) and entry.spec.broken.stage != "silent"
    }
    for stage, case in stages.items():
        write_notebook([case], tmp_path / stage)
        for cell in nbformat.read(tmp_path / stage, as_version=4).cells:
            if cell.cell_type == "code":
                compile(cell.source, case.id, "exec")
    assert {"build", "inputs", "forward", "run"} <= set(stages)


def test_an_existing_file_is_not_overwritten(harness: Command, tmp_path: Path) -> None:
    path = tmp_path / "class.ipynb"
    path.write_text("mine")
    done = harness("export", "pair", "--notebook", "--out", str(path))
    assert done.code == 2
    assert "exists already: delete it, or name another file with --out" in done.err
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("myth", "is a control: only a case has something to fix"), ("pear", "did you mean")],
)
def test_an_entry_without_notebook_is_reported_in_one_sentence(
    name: str, sentence: str, harness: Command
) -> None:
    done = harness("export", "--notebook", name)
    assert done.code == 2
    assert sentence in done.err


def test_a_missing_folder_is_reported_in_one_sentence(harness: Command, tmp_path: Path) -> None:
    done = harness("export", "pair", "--notebook", "--out", str(tmp_path / "no" / "x.ipynb"))
    assert done.code == 2
    assert "cannot be written (No such file or directory)" in done.err


def test_without_nbformat_the_error_says_what_to_install(
    harness: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "nbformat", None)
    done = harness("export", "pair", "--notebook", "--out", str(tmp_path / "x.ipynb"))
    assert done.code == 2
    assert done.err == "error: a notebook needs nbformat: pip install 'broken-convnets[teach]'\n"


def test_the_file_name_does_not_reveal_the_mistake(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = harness("export", "pair", "--notebook")
    assert done.code == 0
    assert done.out.startswith("net_")
    assert (tmp_path / done.out.strip()).is_file()
    assert SAYS not in (tmp_path / done.out.strip()).read_text()


def test_no_notebook_is_written_for_a_silent_case_that_raises(
    harness: Command, tmp_path: Path
) -> None:
    loud = patched(("torch.relu", "torch.rely"))
    corpus_of(harness.root, {"loss/liar": Pair(broken=loud, silent=("samples-independent",))})
    done = harness("export", "liar", "--notebook", "--out", str(tmp_path / "x.ipynb"))
    assert done.code == 2
    assert "loss/liar does not run here, so no notebook was written" in done.err
    assert not (tmp_path / "x.ipynb").exists()
