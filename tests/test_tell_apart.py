from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from experiments.measure_variants import groups_of
from experiments.tell_apart import (
    Text,
    layout,
    logistic_regression,
    naive_bayes,
    share_right,
    words,
    words_and_numbers,
)

if TYPE_CHECKING:
    from experiments.tell_apart import Classifier

CLASSIFIERS = pytest.mark.parametrize("classifier", [logistic_regression, naive_bayes])


def pairs(first: str, second: str) -> list[Text]:
    return [
        Text(f"shared{number % 7} {text}", kind, str(number))
        for number in range(60)
        for kind, text in ((False, first), (True, second))
    ]


@CLASSIFIERS
def test_a_word_that_only_one_kind_has_tells_all_texts_apart(classifier: Classifier) -> None:
    assert share_right(pairs("net = 1", "cur_net = 1"), words, classifier) == 1


@CLASSIFIERS
def test_equal_texts_cannot_be_told_apart(classifier: Classifier) -> None:
    assert share_right(pairs("net = 1", "net = 1"), words, classifier) == 0.5


@CLASSIFIERS
def test_a_word_of_one_group_does_not_help_with_others(classifier: Classifier) -> None:
    texts = [
        Text(f"own{number}_{kind} shared", kind, str(number))
        for number in range(40)
        for kind in (False, True)
        for _ in range(3)
    ]
    assert share_right(texts, words, classifier) == 0.5


def test_numbers_are_no_words_and_layout_has_no_names() -> None:
    assert words("conv1(16)") == ["conv1"]
    assert words_and_numbers("conv1(16)") == ["conv1", "16"]
    assert layout("conv(16)") == layout("fc(8)")
    assert layout("f(\n    1)") != layout("f(1)")
    assert layout("return x") != layout("raise x")


def test_near_twins_are_in_one_group_also_by_way_of_others() -> None:
    lines = [f"line {number}" for number in range(20)]
    sources = {
        "a": "\n".join(lines[:16]),
        "b": "\n".join(lines[2:18]),
        "c": "\n".join(lines[4:20]),
        "other": "nothing\nof\nthese",
    }
    group = groups_of(sources)
    assert group["a"] == group["b"] == group["c"]
    assert group["other"] == "other"
