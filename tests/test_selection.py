"""Entries are chosen by id, topic, glob, path or alias, and a typing error gets suggestions."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_convnets.corpus.selection import alias, select
from broken_convnets.errors import CorpusError

IDS = ["data/flatten_order", "none/missing_return", "shape/flatten_batch", "shape/wrong_padding"]
ROOT = Path("corpus")


@pytest.mark.parametrize(
    "pattern",
    [
        "NONE/Missing_Return",
        "Missing_return",
        "NONE",
        "NONE/*",
        "cases/none/missing_return.py",
        "/home/me/fixes/none/missing_return.py",
        alias("none/missing_return"),
        alias("none/missing_return").rpartition("/")[2],
        f"{alias('none/missing_return')}.py",
        f"work/{alias('none/missing_return')}.py",
    ],
)
def test_one_entry_has_many_names(pattern: str) -> None:
    assert select(ROOT, IDS, [pattern]) == ["none/missing_return"]


def test_an_alias_is_of_one_entry_and_does_not_name_the_mistake() -> None:
    assert len({alias(name).partition("/")[2] for name in IDS}) == len(IDS)
    assert alias("none/missing_return") == "none/net_ace2ca"


@pytest.mark.parametrize("pattern", ["shape/net_ace2ca", "net_ace2cb", "net_ace2", "x/flatten"])
def test_a_name_of_no_entry_is_rejected(pattern: str) -> None:
    with pytest.raises(CorpusError, match=f"named '{pattern}'"):
        select(ROOT, IDS, [pattern])


@pytest.mark.parametrize(
    ("pattern", "suggested"),
    [
        ("flatten", ["data/flatten_order", "shape/flatten_batch"]),
        ("FLATTEN", ["data/flatten_order", "shape/flatten_batch"]),
        ("mising_return", ["none/missing_return"]),
        ("shap/wrong_pading", ["shape/wrong_padding"]),
        ("shpae", ["shape"]),
        ("flattn", ["data/flatten_order", "shape/flatten_batch"]),
    ],
)
def test_a_typing_error_gets_every_similar_name(pattern: str, suggested: list[str]) -> None:
    with pytest.raises(CorpusError) as caught:
        select(ROOT, IDS, [pattern])
    names = str(caught.value).partition(": did you mean ")[2].replace("?", "").split()
    assert [name for name in [*IDS, "shape"] if name in names] == suggested


def test_a_single_suggestion_is_a_question_and_several_are_a_list() -> None:
    with pytest.raises(CorpusError, match=r"'shpae': did you mean shape\?$"):
        select(ROOT, IDS, ["shpae"])
    with pytest.raises(CorpusError, match=r"of these\?\n  data/flatten_order\n  shape/fl\w+$"):
        select(ROOT, IDS, ["flatten"])
