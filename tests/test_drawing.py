"""Questions for the Inspect task are drawn from the corpus, or from the folder of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.corpus.entries import default_root
from broken_convnets.errors import CorpusError, UsageError
from broken_convnets.inspect_task.drawing import draw_questions, hidden_folders
from kit import Pair, Solo, corpus_of

if TYPE_CHECKING:
    from pathlib import Path

IDS = ("none/missing_return", "shape/missing_flatten")


def test_one_program_of_each_chosen_entry_is_drawn() -> None:
    questions = draw_questions("corpus", IDS, 1)
    assert sorted(one.program.entry for one in questions.values()) == sorted(IDS)
    assert all(one.entry.id == one.program.entry for one in questions.values())


def test_another_corpus_is_named_by_its_folder(tmp_path: Path) -> None:
    corpus_of(tmp_path, {"shape/pair": Pair(), "dtype/myth": Solo()})
    questions = draw_questions(str(tmp_path), (), 1)
    assert {one.program.entry for one in questions.values()} == {"shape/pair", "dtype/myth"}
    assert set(hidden_folders()) >= {str(default_root()), str(tmp_path.resolve())}


@pytest.mark.parametrize("dataset", ["wild", "no/such/folder", ""])
def test_an_unknown_dataset_is_refused(dataset: str) -> None:
    with pytest.raises(UsageError, match="choose corpus or variants, or name the folder of a"):
        draw_questions(dataset, (), 1)


def test_ids_select_entries_of_another_corpus_too(tmp_path: Path) -> None:
    corpus_of(tmp_path, {"shape/pair": Pair(), "dtype/myth": Solo()})
    (only,) = draw_questions(str(tmp_path), ("shape",), 1).values()
    assert only.program.entry == "shape/pair"
    with pytest.raises(CorpusError, match="no case, control or topic is named 'loss'"):
        draw_questions(str(tmp_path), ("loss",), 1)


def test_a_folder_without_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises((UsageError, CorpusError)):
        draw_questions(str(tmp_path), (), 1)
