"""The matrix of releases: a row per entry, a column per baseline, drift at a glance."""

from __future__ import annotations

from broken_convnets.verdicts.matrix import differences, page
from broken_convnets.verdicts.records import Baseline, Record, Side
from broken_convnets.vocabulary import Verdict

FAILS = Side(
    stage="forward", raises="RuntimeError", message="4 and 5", expression="f(x)", layer="fc"
)
LOUD = Record(Verdict.REPRODUCED, FAILS)
SILENT = Record(Verdict.REPRODUCED, Side(output="float32[1]", violates=["nonlinear"]))
WORKS = Record(Verdict.WORKS)
NOT_HERE = Record(Verdict.NOT_HERE)


def _loud(**changes: str) -> Record:
    fields = {
        name: getattr(FAILS, name) for name in ("stage", "raises", "message", "expression", "layer")
    }
    return Record(Verdict.REPRODUCED, Side(**{**fields, **changes}))


def _baseline(release: str, device: str = "cpu", **entries: Record) -> Baseline:
    return Baseline(release, "", "", device, entries)


def _tables(baselines: list[Baseline]) -> list[str]:
    return [line for line in page(baselines).splitlines() if line.startswith("| ")]


def test_a_row_per_entry_and_a_column_per_baseline() -> None:
    baselines = [
        _baseline("2.14.1", a=LOUD, b=SILENT, c=WORKS),
        _baseline("2.9.0", a=LOUD, c=NOT_HERE),
    ]
    assert _tables(baselines) == [
        "| release | as declared | differs from the newest |",
        "| --- | --- | --- |",
        "| torch 2.14.1, cpu | 3 of 3 | 0 |",
        "| torch 2.9.0, cpu | 2 of 2 | 1 |",
        "| case | torch 2.14.1, cpu | torch 2.9.0, cpu |",
        "| --- | --- | --- |",
        "| a | reproduced: RuntimeError | same |",
        "| b | reproduced: violates nonlinear | not tested |",
        "| c | works | **not_here** |",
    ]


def test_a_device_without_a_baseline_is_mentioned_once() -> None:
    assert page([_baseline("2.14.1", a=LOUD)]).count("Not tested under any release: cuda.") == 1
    assert "Not tested" not in page(
        [_baseline("2.14.1", a=LOUD), _baseline("2.14.1", "cuda", a=LOUD)]
    )


def test_each_device_is_compared_with_its_own_newest_release() -> None:
    baselines = [_baseline("2.14.1", a=LOUD), _baseline("2.9.0", "cuda", a=_loud(message="assert"))]
    assert "| a | reproduced: RuntimeError | reproduced: RuntimeError |" in _tables(baselines)


def test_what_differs_is_named() -> None:
    assert differences(LOUD, _loud()) == []
    assert differences(LOUD, _loud(message="5")) == ["different message"]
    assert differences(LOUD, _loud(raises="ValueError", expression="g(x)")) == [
        "ValueError",
        "different place",
    ]
    assert differences(LOUD, _loud(layer="conv")) == ["different place"]
    assert differences(SILENT, Record(Verdict.REPRODUCED, Side(violates=["exports"]))) == [
        "violates exports"
    ]
    assert differences(LOUD, Record(Verdict.WRONG_SYMPTOM, FAILS)) == [
        "wrong_symptom: RuntimeError"
    ]


def test_ids_and_names_are_shown_as_they_are() -> None:
    hostile = "a|b <img src=x> [c](d) `e`\x1b[2K"
    rows = _tables([Baseline("2.14.1", "", "", "cpu", {hostile: WORKS})])
    shown = "a&#124;b &#60;img src=x> &#91;c&#93;(d) &#96;e&#96;&#92;x1b&#91;2K"
    assert rows[-1] == f"| {shown.replace('x>', 'x&#62;')} | works |"
