"""What a sentence about the numbers of a message claims is never refuted by these numbers."""

from __future__ import annotations

import math
import re
from itertools import product
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.explain.figures import COLOURS
from broken_convnets.commands.explain.linear_features import BACKBONES
from broken_convnets.commands.explain.numbers import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (1, 2, 3, 4, 6, 7, 8, 16, 49, 64, 120, 256, 512, 2048, 3584, 5760, 9216)
LINEAR = "mat1 and mat2 shapes cannot be multiplied ({}x{} and {}x10)"
CONV = (
    "Given {}, weight of size [8, 3, 3], expected input{} to have {} channels, but got {} channels"
)
VIEW = "shape '[{}, {}]' is invalid for input of size {}"
BATCH = "Expected input batch_size ({}) to match target batch_size ({})"


def said(message: str) -> str:
    return " ".join(fact.sentence for fact in facts(message))


def refuted(text: str) -> list[str]:
    """Return the arithmetic in a text that is wrong."""
    wrong = []
    for whole, *factors in re.findall(r"(\d+) = (\d+) x (\d+)(?: x (\d+))?", text):
        if int(whole) != math.prod(int(factor) for factor in factors if factor):
            wrong.append(f"{whole} = {factors}")
    for whole, *factors in re.findall(r"(\d+) is a multiple of (\d+)(?: x (\d+))?", text):
        if int(whole) % math.prod(int(factor) for factor in factors if factor):
            wrong.append(f"{whole} is a multiple of {factors}")
    wrong += [
        f"{a} divides {b}" for a, b in re.findall(r"(\d+) divides (\d+)", text) if int(b) % int(a)
    ]
    return wrong


@pytest.mark.parametrize(
    "text", ["12 = 3 x 5", "12 = 2 x 2 x 4", "12 is a multiple of 5", "5 divides 12"]
)
def test_wrong_arithmetic_is_found(text: str) -> None:
    assert refuted(text)
    assert not refuted("12 = 3 x 4, 12 = 3 x 2 x 2, 12 is a multiple of 3 x 2, 3 divides 12")


def test_sentences_about_linear_layers_hold() -> None:
    checked = 0
    for rows, arriving, expected in product(SIZES, repeat=3):
        if arriving == expected:
            continue
        text = said(LINEAR.format(rows, arriving, expected))
        assert refuted(text) == []
        assert f"expects {expected} features; its input has {arriving}, in {rows} rows" in text
        if "another backbone" in text:
            assert {arriving, expected} <= BACKBONES
        if ("as" in text and "separate rows" in text) or "shorter" in text:
            assert not {arriving, expected} <= BACKBONES
        checked += "possibly" in text
    assert checked > 500


def shapes() -> Iterator[tuple[list[int], int]]:
    """Yield shapes of inputs, and the number of their channels."""
    for channels, side in product((1, 2, 3, 4, 9, 16, 32, 64), (7, 9, 32)):
        yield [8, channels, side, side], channels
        yield [8, side, side, channels], side
        yield [2, side, channels], side
        yield [channels, side, side], channels
        yield [2, channels, 3, side, side], channels


@pytest.mark.parametrize("kind", ["groups=1", "groups=4", "transposed=1"])
def test_sentences_about_channels_hold(kind: str) -> None:
    said_last = 0
    for (shape, got), expected in product(shapes(), (1, 3, 4, 6, 16, 32, 64)):
        if got == expected:
            continue
        text = said(CONV.format(kind, shape, expected, got))
        assert refuted(text) == []
        for place, word in ((0, "first"), (2, "third")):
            for size in re.findall(rf"(\d+) is the {word} size", text):
                assert shape[place] == int(size)
        if "last size is" in text:
            assert f"last size is {shape[-1]}:" in text
            assert shape[-1] == expected or {shape[-1], expected} <= COLOURS
            said_last += 1
        assert ("grayscale" in text) <= (got == 1)
        assert ("transparency has four" in text) <= (got == 4)
        assert ("color image has three" in text) <= (got == 3)
        assert ("4 groups" in text) == (kind == "groups=4" and expected != 4)
    assert said_last > 10


def test_sentences_about_views_hold() -> None:
    for rows, each, values in product((1, 4, 16), (30, 90, 400), (120, 480, 9600, 1200)):
        text = said(VIEW.format(rows, each, values))
        assert f"asks for {rows * each} values; there are {values}" in text
        for filled, size in re.findall(r"fill (\d+) rows of (\d+)", text):
            assert int(filled) * int(size) == values
        for count, size in re.findall(r"(\d+) rows would have (\d+)", text):
            assert int(count) * int(size) == values


def test_sentences_about_batches_hold() -> None:
    for outputs, labels in product(SIZES, repeat=2):
        assert refuted(said(BATCH.format(outputs, labels))) == []


@pytest.mark.parametrize(
    ("dimension", "words"),
    [(0, "the batch"), (1, "the channels"), (2, "the height"), (3, "the width"), (4, "volumes")],
)
def test_a_dimension_is_named_as_tensors_have_it(dimension: int, words: str) -> None:
    text = "size of tensor a (9) must match the size of tensor b (8) at non-singleton dimension "
    text += str(dimension)
    assert words in said(text)
    assert ("batch of images" in said(text)) == (dimension in {1, 2, 3})
