"""`explain` gives the right answer for kinds of text that once misled it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from broken_convnets.commands.explain import index_file, ranking, reading
from broken_convnets.corpus.entries import default_root

INDEX = index_file.read(default_root())
FILE = Path(__file__).parent / "data/misleading.jsonl"
TEXTS = {
    item["how"]: item for item in map(json.loads, FILE.read_text(encoding="utf-8").splitlines())
}


def answer(text: str, close: float = ranking.Weights().close) -> list[ranking.Rank]:
    return ranking.rank(INDEX, reading.read(text), ranking.Weights(close=close))


@pytest.mark.parametrize("how", TEXTS)
def test_the_right_case_comes_first(how: str) -> None:
    assert answer(TEXTS[how]["text"])[0].id == TEXTS[how]["case"]


def test_cases_that_are_much_less_similar_are_left_out() -> None:
    text = TEXTS["512 features for 1024"]["text"]
    close, everything = answer(text), answer(text, close=0.0)
    assert everything[: len(close)] == close
    assert everything[len(close) :]
    least = ranking.Weights().close * close[0].score
    assert close[-1].score >= least > everything[len(close)].score


@pytest.mark.parametrize("how", [how for how in TEXTS if how.endswith("the exception")])
def test_a_warning_beside_an_exception_is_not_answered(how: str) -> None:
    assert "loss/broadcast_mse_loss" not in [item.id for item in answer(TEXTS[how]["text"])]
