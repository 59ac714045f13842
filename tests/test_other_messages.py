"""What `other_messages` may contain, and where it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.corpus.spec import SAYS_LIMIT
from broken_convnets.corpus.wording import split, wording
from broken_convnets.verdicts.messages import Message, known, repeated_messages
from kit import BOOK, Pair, case_of, corpus_of, our_corpus

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command

OLD = "RuntimeError: size mismatch, m1: [4 x 12], m2: [10 x 2] at /pytorch/aten/TH.cpp:136"
SICK: dict[str, tuple[Any, str]] = {
    "no list": (OLD, "key `other_messages`: expected `array`"),
    "a string": ([OLD], "key `other_messages[0]`: expected `object`"),
    "no `message`": ([{"torch": "1.4"}], "key `other_messages[0].message` is missing"),
    "an empty `message`": (
        [{"message": " "}],
        "key `other_messages[0].message`: expected `str` matching",
    ),
    "a long `message`": (
        [{"message": "x" * (SAYS_LIMIT + 1)}],
        "key `other_messages[0].message`: expected `str`",
    ),
    "a number": ([{"message": OLD, "torch": 1.4}], "key `other_messages[0].torch`: expected `str"),
    "another key": (
        [{"message": OLD, "release": "1.4"}],
        "key `other_messages[0].release` is unknown",
    ),
}


@pytest.mark.parametrize("what", SICK)
def test_an_invalid_entry_is_refused(what: str, tmp_path: Path) -> None:
    others, message = SICK[what]
    corpus = corpus_of(tmp_path, {"shape/pair": Pair(extra={"other_messages": others})})
    assert [problem.message[: len(message)] for problem in corpus.problems] == [message]


@pytest.mark.parametrize(
    ("texts", "messages"),
    [
        ([OLD], []),
        ([OLD, "RuntimeError: shapes cannot be divided"], []),
        (["NotImplementedError"], []),
        (["ValueError: mat1 and mat2 shapes cannot be multiplied (16x4 and 16x5)"], []),
        (
            ["RuntimeError: mat1 and mat2 shapes cannot be multiplied (9x9 and 8x7)"],
            ["key `other_messages[0]` is in the recorded results already: remove it"],
        ),
        (
            ["mat1 and mat2 shapes"],
            ["key `other_messages[0]` is in the recorded results already: remove it"],
        ),
        (
            [OLD, OLD.replace("12", "13").replace("TH.cpp:136", "THC.cu:9")],
            ["key `other_messages[1]` repeats `other_messages[0]`: remove one"],
        ),
    ],
)
def test_a_repeated_message_is_reported(
    texts: list[str], messages: list[str], tmp_path: Path
) -> None:
    pair = Pair(extra={"other_messages": [{"message": text} for text in texts]})
    (tmp_path / "results/torch-2.14.1").mkdir(parents=True)
    (tmp_path / "results/torch-2.14.1/cpu.toml").write_text(BOOK)
    problems = repeated_messages(corpus_of(tmp_path, {"shape/pair": pair}))
    assert [problem.message for problem in problems] == messages
    assert {problem.file for problem in problems} <= {"cases/shape/pair.toml"}


def test_show_prints_other_wordings(harness: Command) -> None:
    assert "Other wordings" not in harness("show", "pair").out
    others = [{"message": OLD, "torch": "1.4"}, {"message": "Warning: [red]no markup[/red]"}]
    corpus_of(harness.root, {"shape/pair": Pair(extra={"other_messages": others})})
    page = harness("show", "pair").out
    assert f"Other wordings\n  {OLD}  (torch 1.4)" in page
    assert "Warning: [red]no markup[/red]" in page
    assert harness.json("show", "pair")["spec"]["other_messages"][0] == others[0]


def test_a_case_has_recorded_listed_and_declared_messages(tmp_path: Path) -> None:
    pair = Pair(extra={"other_messages": [{"message": OLD}]})
    corpus = corpus_of(tmp_path, {"shape/pair": pair})
    (tmp_path / "results/torch-2.14.1").mkdir(parents=True)
    (tmp_path / "results/torch-2.14.1/cpu.toml").write_text(BOOK)
    recorded, listed, declared = known(corpus)["shape/pair"]
    assert recorded.layer == "Linear"
    assert recorded.message.endswith("\n[entries]")
    text = OLD.removeprefix("RuntimeError: ")
    assert listed == Message("RuntimeError", text, source="listed", stage="forward")
    assert declared.message == case_of(pair).spec.broken.message


def test_every_listed_message_names_its_class_or_is_an_assertion_of_a_kernel() -> None:
    corpus = our_corpus()
    bare = [
        message.message
        for messages in known(corpus).values()
        for message in messages
        if message.source == "listed" and not message.raises
    ]
    assert [text for text in bare if "Assertion" not in text] == []


@pytest.mark.parametrize(
    ("message", "reduced"),
    [
        ("(4x12 and 10x2), [16x4x4] -> 2048x-5x-5", "(#x# and #x#), [#x#x#] -> #x#x#"),
        ("weight [4, 3, 3, 3], size 4 3 3", "weight [#, #, #, #], size # # #"),
        ("conv2d of int64, mat1, c10::Half, cuda:0", "conv2d of int64, mat1, c10::Half, cuda:#"),
        ("Expected 4-dimensional, got 4D or 1e-05", "Expected 4-dimensional, got 4D or #"),
        ("mismatch at /pytorch/aten/src/TH/THTensor.cpp:612", "mismatch"),
        (r"input size at c:\users\me\aten\src/SpatialConvolutionMM.c:48", "input size"),
        ("torch 2.6.0: \u2018-0.5\u2019 \n at entry 0", "torch #: '#' at entry #"),
    ],
)
def test_a_wording_contains_no_numbers_and_no_paths(message: str, reduced: str) -> None:
    assert wording(message) == reduced
    assert wording(reduced) == reduced


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("RuntimeError: mat1", ("RuntimeError", "mat1")),
        ("torch.fx.proxy.TraceError: no", ("TraceError", "no")),
        ("NotImplementedError", ("NotImplementedError", "")),
        ("NotImplementedError: ", ("NotImplementedError", "")),
        ("Target 3 is out of bounds: stop", ("", "Target 3 is out of bounds: stop")),
        ("RuntimeErrors: mat1", ("", "RuntimeErrors: mat1")),
    ],
)
def test_a_line_is_split_into_class_and_message(line: str, parts: tuple[str, str]) -> None:
    assert split(line) == parts
