"""What is recorded is stable to the byte, says what happened, and drops what is gone."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from broken_convnets.errors import RecordError
from broken_convnets.observe.facts import (
    CheckResult,
    ExceptionInfo,
    Layer,
    Observation,
    RuntimeInfo,
)
from broken_convnets.util.mask import mask
from broken_convnets.util.toml_files import write_toml
from broken_convnets.verdicts.layer_lines import (
    FAILED,
    UNFINISHED,
    LayerCall,
    layer_line,
    parse_layer_line,
)
from broken_convnets.verdicts.records import (
    Baseline,
    Record,
    Side,
    drift,
    nearest,
    newest,
    read_all,
    read_baseline,
    side,
    update,
)
from broken_convnets.vocabulary import Law, Stage, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    import msgspec

HELLO = RuntimeInfo("3.11", "2.14.1", "0.29.1", {"cpu": ""})
RAISED = ExceptionInfo(
    Stage.FORWARD, "RuntimeError", "mat1 and mat2\ncannot be multiplied", "f(x)", "fc"
)
LAYERS = [Layer("", "Net", "float32[4]"), Layer("fc", "Linear", "float32[4]", failed=True)]
BROKEN = Observation(raised=RAISED, layers=LAYERS)
FIXED = Observation(
    output="float32[4, 5]",
    layers=[Layer("fc", "Linear", "float32[4]", "float32[5]")],
    laws={
        Law.NONLINEAR: CheckResult(holds=True),
        Law.EXPORTS: CheckResult(holds=None, note="too old"),
        Law.NO_WARNINGS: CheckResult(holds=False, note="careful"),
    },
    forward_ns=1234.5,
)
RECORD = Record(Verdict.REPRODUCED, side(BROKEN, set()), side(FIXED, {Law.NO_WARNINGS}))
NOW = {"cpu": {"shape/pair": RECORD}}
HARD_TEXTS = [
    "two\nlines",
    "two\r\nlines and\rone more",
    "\n starts with a line break",
    "ends with one\n",
    'three """ quotes and a \\ backslash',
    "a tab\t, a bell\a, an escape \x1b, a zero \0",
    "\x85 \u2028 \ufeff é 漢 🙂",
    "'",
    "",
]


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _cpu(folder: Path) -> Baseline:
    return read_baseline(folder / "torch-2.14.1/cpu.toml")


def test_updating_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    update(tmp_path, HELLO, NOW, {"shape/pair"})
    first = _tree(tmp_path)
    update(tmp_path, HELLO, NOW, {"shape/pair"})
    assert _tree(tmp_path) == first
    assert set(first) == {"README.md", "torch-2.14.1/cpu.toml"}


def test_a_record_is_read_back(tmp_path: Path) -> None:
    (path,) = update(tmp_path, HELLO, NOW, {"shape/pair"})
    assert read_baseline(path) == Baseline("2.14.1", "0.29.1", "3.11", "cpu", NOW["cpu"])


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_any_message_is_read_back_exactly(text: str, tmp_path: Path) -> None:
    raised = ExceptionInfo(Stage.FORWARD, "ValueError", mask(text), "raise")
    record = Record(Verdict.REPRODUCED, side(Observation(raised=raised), set()))
    update(tmp_path, HELLO, {"cpu": {"shape/pair": record}}, {"shape/pair"})
    assert drift(_cpu(tmp_path).entries["shape/pair"], record) == []


def test_durations_and_notes_are_not_recorded(tmp_path: Path) -> None:
    update(tmp_path, HELLO, NOW, {"shape/pair"})
    text = (tmp_path / "torch-2.14.1/cpu.toml").read_text()
    assert "1234" not in text
    assert "careful" not in text


def test_a_side_sorts_its_laws_and_marks_the_layer_that_failed() -> None:
    fixed, broken = side(FIXED, {Law.NO_WARNINGS}), side(BROKEN, set())
    assert fixed
    assert broken
    assert (fixed.holds, fixed.violates) == (["nonlinear"], ["no-warnings"])
    assert broken.layers == ["Net: float32[4] -> …", "fc Linear: float32[4] -> ✗"]
    assert side(None, set()) is None


@pytest.mark.parametrize("verdict", [Verdict.FLAKY, Verdict.TIMEOUT, Verdict.INVALID])
def test_a_verdict_that_does_not_repeat_keeps_the_former_record(
    verdict: Verdict, tmp_path: Path
) -> None:
    update(tmp_path, HELLO, NOW, {"shape/pair"})
    update(tmp_path, HELLO, {"cpu": {"shape/pair": Record(verdict)}}, {"shape/pair"})
    assert _cpu(tmp_path).entries == NOW["cpu"]


@pytest.mark.parametrize("verdict", [Verdict.FIX_FAILED, Verdict.WRONG_SYMPTOM, Verdict.CRASHED])
def test_a_verdict_that_repeats_is_recorded(verdict: Verdict, tmp_path: Path) -> None:
    update(tmp_path, HELLO, NOW, {"shape/pair"})
    update(tmp_path, HELLO, {"cpu": {"shape/pair": Record(verdict)}}, {"shape/pair"})
    assert _cpu(tmp_path).entries["shape/pair"].verdict is verdict


def test_entries_that_were_not_run_stay_and_deleted_ones_go(tmp_path: Path) -> None:
    everything = {"a/one": RECORD, "b/two": RECORD, "c/three": RECORD}
    update(tmp_path, HELLO, {"cpu": everything}, set(everything))
    update(tmp_path, HELLO, {"cpu": {"a/one": RECORD}}, {"a/one", "b/two"})
    assert list(_cpu(tmp_path).entries) == ["a/one", "b/two"]


def test_two_updates_at_once_both_keep_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_slowly(path: Path, value: msgspec.Struct) -> None:
        time.sleep(0.02)  # the other one reads meanwhile, if it can
        write_toml(path, value)

    monkeypatch.setattr("broken_convnets.verdicts.records.write_toml", write_slowly)
    ids = {f"shape/{number}" for number in range(8)}

    def update_one(name: str) -> None:
        update(tmp_path, HELLO, {"cpu": {name: RECORD}}, ids)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(update_one, ids))
    assert set(_cpu(tmp_path).entries) == ids


@pytest.mark.parametrize(
    "damage", [b"torch = ", b"torch = 1", b"\xff\xfe", b'colour = "red"', b"<<<<<<< HEAD\n"]
)
def test_a_damaged_baseline_is_refused_by_name_and_left_alone(
    damage: bytes, tmp_path: Path
) -> None:
    update(tmp_path, HELLO, NOW, {"shape/pair"})
    (tmp_path / "torch-2.14.1/cpu.toml").write_bytes(damage)
    before = _tree(tmp_path)
    with pytest.raises(RecordError, match=r"torch-2\.14\.1/cpu\.toml: .*; restore it, or"):
        read_all(tmp_path)
    with pytest.raises(RecordError, match=r"torch-2\.14\.1/cpu\.toml: "):
        update(tmp_path, HELLO, NOW, {"shape/pair"})
    assert _tree(tmp_path) == before


def test_the_remedy_for_a_damaged_baseline_works(tmp_path: Path) -> None:
    update(tmp_path, HELLO, NOW, {"shape/pair"})
    (tmp_path / "torch-2.14.1/cpu.toml").write_text("torch =")
    with pytest.raises(RecordError, match=r"delete it"):
        read_all(tmp_path)


def test_the_newest_record_of_an_entry_is_found_without_older_baselines(tmp_path: Path) -> None:
    for release in ("2.9.0", "2.10.0"):
        hello = RuntimeInfo("3.11", release, "0", {"cpu": ""})
        update(tmp_path, hello, NOW, {"shape/pair"})
    update(tmp_path, HELLO, {"cpu": {"a/one": RECORD}}, {"a/one"})
    (tmp_path / "torch-2.9.0/cpu.toml").write_text("torch =")
    assert newest(tmp_path, "shape/pair") == ("2.10.0", RECORD)
    assert newest(tmp_path, "a/one") == ("2.14.1", RECORD)
    with pytest.raises(RecordError, match=r"torch-2\.9\.0/cpu\.toml: "):
        newest(tmp_path, "a/two")
    (tmp_path / "torch-2.9.0/cpu.toml").unlink()
    assert newest(tmp_path, "a/two") == ("", None)


def test_baselines_are_read_newest_first_by_number(tmp_path: Path) -> None:
    for release in ("2.9.0", "2.14.1", "2.10.0"):
        hello = RuntimeInfo("3.11", release, "0", {"cpu": ""})
        update(tmp_path, hello, NOW, {"shape/pair"})
    assert [baseline.torch for baseline in read_all(tmp_path)] == ["2.14.1", "2.10.0", "2.9.0"]


def test_the_nearest_baseline_is_the_exact_one_else_the_newest_of_the_device() -> None:
    baselines = [
        Baseline("2.14.1", "", "", "cuda"),
        Baseline("2.10.0", "", "", "cpu"),
        Baseline("2.9.0", "", "", "cpu"),
    ]
    assert nearest(baselines, "2.9.0", "cpu") is baselines[2]
    assert nearest(baselines, "2.14.1", "cpu") is baselines[1]
    assert nearest(baselines, "2.9.0", "tpu") is None


def test_drift_names_what_was_recorded_and_what_is_here() -> None:
    now = Record(Verdict.REPRODUCED, Side(message="new", expression="f(x)"))
    then = Record(Verdict.REPRODUCED, Side(message="old", expression="f(x)", layer="fc"))
    assert drift(then, now) == [("broken.layer", "fc", ""), ("broken.message", "old", "new")]
    assert drift(None, now) == []
    assert drift(now, now) == []


@pytest.mark.parametrize(
    "layer",
    [
        Layer("", "Net", "float32[4, 3]", failed=True),
        Layer("a.0", "Conv2d", "int64[4]"),
        Layer("loss", "Loss", "float32[4], int64[4]", "float32[]"),
        Layer("f", "Lambda", "[int64[2] -> str]: x", "(float32[], None)"),
    ],
)
def test_a_layer_line_is_read_back(layer: Layer) -> None:
    output = FAILED if layer.failed else layer.output or UNFINISHED
    wanted = LayerCall(layer.path, layer.type, layer.inputs, output)
    assert parse_layer_line(layer_line(layer)) == wanted


def test_text_of_another_form_is_the_type_of_an_unfinished_call() -> None:
    assert parse_layer_line("<b>a note") == LayerCall("", "<b>a note", "", UNFINISHED)
