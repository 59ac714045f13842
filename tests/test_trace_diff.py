"""A recorded layer trace is parsed, compared with the fixed one, and drawn."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from broken_convnets.commands.site.trace_diff import FOLD, FOLD_EDGE, Row, compare
from broken_convnets.commands.site.trace_events import (
    Enter,
    Fail,
    Fold,
    Layer,
    Leave,
    Tensor,
    Value,
    events,
    tensors,
)
from broken_convnets.commands.site.trace_svg import CHARACTERS, draw
from broken_convnets.verdicts.layer_lines import parse_layer_line
from broken_convnets.verdicts.records import Record, Side
from kit import our_records

IMAGES, MAPS, SCORES = "float32[4, 3, 8, 8]", "float32[4, 8, 6, 6]", "float32[4, 10]"
BROKEN = Side(
    raises="TypeError",
    expression="torch.flatten(x, 1)",
    layers=[
        f"Net: {IMAGES} -> ✗",
        f"conv Conv2d: {IMAGES} -> {MAPS}",
        f"attend Attention: {MAPS} -> None",
        "attend.score Linear: float32[4, 8] -> float32[4, 8]",
    ],
)
FIXED = Side(
    layers=[
        f"Net: {IMAGES} -> {SCORES}",
        f"conv Conv2d: {IMAGES} -> {MAPS}",
        f"attend Attention: {MAPS} -> {MAPS}",
        "attend.score Linear: float32[4, 8] -> float32[4, 8]",
        f"fc Linear: float32[4, 288] -> {SCORES}",
    ],
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (IMAGES, [Tensor("float32", (4, 3, 8, 8))]),
        ("float32[]", [Tensor("float32", ())]),
        ("[uint8[8, 8], (None, bool[0])]@cuda", [Tensor("uint8", (8, 8)), Tensor("bool", (0,))]),
        ("None", []),
        ("Image", []),
    ],
)
def test_tensors_are_found_in_a_value(value: str, expected: list[Tensor]) -> None:
    assert tensors(value) == expected


def test_events_distinguish_layers_from_the_code_between_them() -> None:
    assert events(BROKEN) == [
        Value(IMAGES),
        Layer("conv", "Conv2d"),
        Value(MAPS),
        Enter("attend", "Attention"),
        Value("float32[4, 8]", by_code=True),
        Layer("attend.score", "Linear", 1),
        Value("float32[4, 8]"),
        Value("None", by_code=True),
        Leave("attend"),
        Fail("TypeError at torch.flatten(x, 1)"),
    ]


def test_an_exception_after_the_network_is_the_last_event() -> None:
    side = Side(raises="ValueError", stage="run", layers=[f"Net: {IMAGES} -> {SCORES}"])
    assert events(side)[-2:] == [Value(SCORES), Fail("ValueError")]


def test_a_layer_that_raises_is_the_last_one() -> None:
    side = Side(
        raises="E", expression="f(x)", layers=["Net: int64[4] -> …", "fc Linear: int64[4] -> ✗"]
    )
    assert events(side) == [Value("int64[4]"), Layer("fc", "Linear"), Fail("E at f(x)", "fc")]


def test_the_first_difference_is_where_the_layer_returns_none() -> None:
    diff = compare(BROKEN, FIXED)
    assert diff.first is not None
    assert diff.rows[diff.first] == Row(Value("None", by_code=True), Value(MAPS, by_code=True))
    assert all(row.equal for row in diff.rows[: diff.first])


def test_equal_sides_have_no_first_difference() -> None:
    assert compare(FIXED, FIXED).first is None


def test_a_long_run_of_equal_rows_is_folded() -> None:
    deep = [f"{i} Conv2d: {MAPS} -> {MAPS}" for i in range(FOLD)]
    diff = compare(
        Side(raises="E", layers=[f"Net: {MAPS} -> ✗", *deep]),
        Side(layers=[f"Net: {MAPS} -> {MAPS}", *deep]),
    )
    folds = [row.broken for row in diff.rows if isinstance(row.broken, Fold)]
    assert folds == [Fold(FOLD - FOLD_EDGE)]
    assert diff.first == len(diff.rows) - 1


def _texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314  (our own output)
    for text in root.iter("text"):
        for title in text.findall("title"):
            title.text = ""  # the full text of a shortened one
    return ["".join(text.itertext()) for text in root.iter("text")]


def test_a_picture_shows_the_values_and_layers_of_its_side() -> None:
    diff = compare(BROKEN, FIXED)
    assert _texts(draw(diff, "broken", "x"))[-2:] == ["None", "TypeError at torch.flatten(x, 1)"]
    assert _texts(draw(diff, "fixed", "x"))[-2:] == ["fc Linear", SCORES]
    assert draw(diff, "broken", "x").count('class="first-difference"') == 1


def test_if_one_side_raises_the_other_says_that_nothing_is_raised() -> None:
    late = Side(raises="ValueError", expression="loss(x)", layers=FIXED.layers)
    diff = compare(late, FIXED)
    assert _texts(draw(diff, "broken", "x"))[-1] == "ValueError at loss(x)"
    assert _texts(draw(diff, "fixed", "x"))[-1] == "nothing is raised"


def test_text_of_a_program_is_escaped_and_shortened() -> None:
    sick = "</title><script>alert(1)</script>"
    side = Side(raises=sick, expression=sick, layers=[f"a.{sick} {sick}: {sick} -> {sick}"])
    svg = draw(compare(side, FIXED), "broken", sick)
    assert "<script" not in svg
    assert any("…" in text and len(text) <= CHARACTERS for text in _texts(svg))


RECORDS = our_records()[0].entries


@pytest.mark.parametrize("name", [name for name, record in RECORDS.items() if record.broken])
def test_every_recorded_pair_can_be_drawn(name: str) -> None:
    record: Record = RECORDS[name]
    assert record.broken is not None
    assert record.fixed is not None
    diff = compare(record.broken, record.fixed)
    for side in ("broken", "fixed"):
        assert _texts(draw(diff, side, name))
    drawn = {step.path for step in map(parse_layer_line, record.broken.layers)}
    known = {getattr(row.broken, "path", "") for row in diff.rows}
    folded = any(isinstance(row.broken, Fold) for row in diff.rows)
    assert folded or drawn <= known | {""}
