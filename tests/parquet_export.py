"""The dataset of `export --parquet`, loaded with the real libraries: `nox -s integrations`."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import datasets
import huggingface_hub
import pytest
from broken_convnets.cli import main
from broken_convnets.commands.export.prompt import prompt_for
from broken_convnets.commands.score.programs.patch import apply_patch
from broken_convnets.commands.score.programs.program import ProgramRole, sources_of
from broken_convnets.corpus.entries import Case, default_root, load
from inspect_ai import eval as evaluate
from inspect_ai._eval.task import hf
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from kit import BROKEN, HEALTHY, Pair, corpus_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries

USAGE = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # else it loads a tokenizer


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return the folder of a dataset of the whole corpus."""
    out = tmp_path / "dataset"
    assert main(["export", "--parquet", str(out), "--seed", "3"]) == 0
    return out


def _rows(folder: Path, *configuration: str) -> list[dict[str, Any]]:
    return list(datasets.load_dataset(str(folder), *configuration, split="test"))


def test_the_dataset_is_loaded_back_by_its_card(dataset: Path) -> None:
    corpus = load(default_root())
    shown, answers = _rows(dataset), _rows(dataset, "answers")
    assert {row["entry"] for row in answers} == set(corpus.entries)
    assert [row["id"] for row in shown] == [row["id"] for row in answers]
    for row, answer in zip(shown, answers, strict=True):
        entry = corpus.entries[answer["entry"]]
        assert row["program"] == sources_of(entry)[ProgramRole(answer["role"])]
        assert row["prompt"] == prompt_for(row["program"])
        assert (
            (answer["target"] == "BROKEN") == (answer["role"] == "broken") == bool(answer["patch"])
        )
        if answer["patch"]:
            assert isinstance(entry, Case)
            assert apply_patch(answer["patch"], row["program"]) == entry.fixed


def test_nothing_that_a_solver_sees_tells_the_side_or_the_answer(tmp_path: Path) -> None:
    corpus_of(tmp_path / "corpus", {f"loss/more{number}": Pair() for number in range(40)})
    out = tmp_path / "out"
    assert (
        main(["export", "--parquet", str(out), "--seed", "1", "--corpus", f"{tmp_path}/corpus"])
        == 0
    )
    shown, answers = _rows(out), _rows(out, "answers")
    assert set(shown[0]) == {"id", "prompt", "program"}
    assert {row["program"] for row in shown} == {BROKEN, HEALTHY}
    assert len({row["prompt"].replace(row["program"], "") for row in shown}) == 1
    assert (
        len(
            {
                row["question"].replace(one["program"], "")
                for row, one in zip(answers, shown, strict=True)
            }
        )
        == 1
    )
    text = json.dumps([{**row, "program": "", "prompt": ""} for row in shown])
    card = (out / "README.md").read_text() + (out / "eval.yaml").read_text()
    assert "more" not in text + card
    entries, roles = ([row[name] for row in answers] for name in ("entry", "role"))
    assert len(set(entries)) == 40, "no pair has both its sides"
    assert entries != sorted(entries)
    assert roles != sorted(roles)
    assert set(roles) == {"broken", "fixed"}
    raw = (out / "programs/test.parquet").read_bytes()
    assert b"fixed" not in raw
    assert b"loss/" not in raw


@pytest.mark.parametrize(
    ("answer", "accuracy"),
    [
        (lambda row: f"I looked at it.\n{row['target']}", 1.0),
        (lambda row: "HEALTHY" if row["target"] == "BROKEN" else "BROKEN", 0.0),
        (lambda _: "I cannot say.", 0.0),
    ],
)
def test_inspect_runs_the_eval_yaml(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[dict[str, Any]], str],
    accuracy: float,
) -> None:
    rows = _rows(dataset, "answers")

    def from_disk(path: str, **options: Any) -> Any:
        assert path == "owner/name"
        options.pop("revision")
        return read(str(dataset), **options)

    def outputs(messages: list[Any], *_: Any) -> ModelOutput:
        (row,) = [row for row in rows if row["question"] == messages[-1].text]
        output = ModelOutput.from_content("mockllm", answer(row))
        output.usage = USAGE
        return output

    read = hf.hf_dataset
    monkeypatch.setattr(hf, "hf_dataset", from_disk)
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda filename, **_: str(dataset / filename)
    )
    (log,) = evaluate(
        "hf/owner/name",
        model=get_model("mockllm/model", custom_outputs=outputs),
        display="none",
        log_dir=str(tmp_path / "logs"),
        limit=20,
    )
    assert log.status == "success", log.error
    assert log.results.scores[0].metrics["accuracy"].value == accuracy


def test_score_reads_the_key(
    dataset: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ids = ("none/missing_return", "shape/missing_flatten", "training/missing_zero_grad")
    shutil.rmtree(dataset)
    assert main(["export", *ids, "--parquet", str(dataset), "--seed", "3"]) == 0
    lines = [
        json.dumps({"instance_id": row["id"], "model_patch": row["patch"]})
        for row in _rows(dataset, "answers")
    ]
    (tmp_path / "predictions.jsonl").write_text("\n".join(lines))
    capsys.readouterr()
    key, predictions = dataset / "answers/key.json", tmp_path / "predictions.jsonl"
    assert main(["score", "--key", str(key), "--predictions", str(predictions), "--json"]) == 0
    score = json.loads(capsys.readouterr().out)["score"]
    broken = sum(bool(row["patch"]) for row in _rows(dataset, "answers"))
    assert score["fixes"]["working"]["count"] == broken > 0
    assert score["false_positives"]["all"]["count"] == 0
