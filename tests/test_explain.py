"""`explain` finds the case behind a message, however it is pasted, and nothing behind others."""

from __future__ import annotations

import io
import json
import math
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import broken_convnets as package
import msgspec
import pytest
from broken_convnets.commands.explain import index, index_file, ranking, reading
from broken_convnets.commands.explain.index import Document, Index
from broken_convnets.commands.explain.matching import explain
from broken_convnets.commands.explain.pasted import LIMIT, tail
from broken_convnets.commands.explain.ranking import Weights
from broken_convnets.commands.explain.reading import Candidate, ErrorFacts, Reading
from broken_convnets.corpus.entries import Case, default_root
from broken_convnets.corpus.guides import load_guides
from broken_convnets.corpus.wording import split
from broken_convnets.observe.facts import RuntimeInfo
from broken_convnets.verdicts import messages
from broken_convnets.verdicts.messages import Message
from broken_convnets.verdicts.records import Record, Side, update
from broken_convnets.vocabulary import Verdict
from kit import Pair, case_of, corpus_of, our_corpus

if TYPE_CHECKING:
    from conftest import Command

CORPUS = our_corpus()
KNOWN = messages.known(CORPUS)
INDEX = index_file.read(default_root())


def as_compared(message: str) -> str:
    return " ".join(index.words(message))


WORDED: dict[str, set[str]] = {}  # by the words that are compared: the pages that have them
for case, listed in KNOWN.items():
    for each in listed:
        WORDED.setdefault(as_compared(each.message), set()).add(case)
GUIDES = {name: guide.spec.covers for name, guide in load_guides(CORPUS.root).valid.items()}
for name, guide in load_guides(CORPUS.root).valid.items():
    for listed_message in guide.spec.messages:
        WORDED.setdefault(as_compared(split(listed_message.message)[1]), set()).add(name)
COVERS = {
    entry.id: entry.spec.covers for entry in CORPUS.entries.values() if isinstance(entry, Case)
}


def _lines(name: str) -> list[dict[str, Any]]:
    text = (Path(__file__).parent / "data" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


FOREIGN = _lines("foreign.jsonl")


def answer(text: str) -> list[ranking.Rank]:
    return ranking.rank(INDEX, reading.read(text), Weights())


def line(message: Message) -> str:
    return f"{message.raises}: {message.message}" if message.raises else message.message


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if known])
def test_every_known_message_finds_its_case(name: str) -> None:
    for message in KNOWN[name]:
        if message.source == "declared":  # a fragment
            continue
        found = answer(line(message))
        best = [item.id for item in found if item.score == found[0].score]
        assert name in best, line(message)
        assert set(best) <= WORDED[as_compared(message.message)], line(message)


def test_equal_scores_are_ordered_by_the_number_of_reports() -> None:
    found = [item.id for item in answer("ValueError: optimizer got an empty parameter list")]
    order = list(KNOWN)
    usual = [name for name in found if "empty parameter list" in KNOWN[name][0].message]
    assert len(usual) > 2
    assert found[: len(usual)] == sorted(usual, key=order.index)
    assert found == [
        item.id for item in answer("ValueError: optimizer got an empty parameter list")
    ]


@pytest.mark.parametrize("error", FOREIGN, ids=[item["id"] for item in FOREIGN])
def test_an_error_of_another_library_has_no_match(error: dict[str, str]) -> None:
    assert answer(error["text"]) == []


def test_there_are_enough_errors_of_other_libraries() -> None:
    uses = [item["use"] for item in FOREIGN]
    assert min(uses.count("choose"), uses.count("check")) >= 30
    assert len({item["id"] for item in FOREIGN}) == len(FOREIGN)


HELD_OUT = _lines("held_out.jsonl")  # never read for a `seen`, nor for the weights


def test_held_out_reports_find_their_case() -> None:
    places = []
    for report in HELD_OUT:
        found = [item.id for item in answer(report["error"])]
        right = [index for index, name in enumerate(found, 1) if report["kind"] in COVERS[name]]
        places.append(right[0] if right else 0)
    assert len({report["error"] for report in HELD_OUT}) > 60
    assert sum(place == 1 for place in places) >= 0.8 * len(places)
    assert sum(1 <= place <= 3 for place in places) >= 0.95 * len(places)


FRESH = _lines("fresh.jsonl")


@pytest.mark.parametrize(("half", "first"), [("tuning", 0.85), ("held out", 0.75)])
def test_fresh_reports_find_their_case_or_guide(half: str, first: float) -> None:
    covers = COVERS | GUIDES
    places = []
    for report in (line for line in FRESH if line["half"] == half):
        found = [item.id for item in answer(report["error"])]
        right = [n for n, name in enumerate(found, 1) if set(report["kinds"]) & set(covers[name])]
        places.append(right[0] if right else 0)
    assert len(places) == 39
    assert sum(place == 1 for place in places) >= first * len(places)
    assert sum(1 <= place <= 3 for place in places) >= 0.9 * len(places)


LAST = (
    "RuntimeError: stack expects each tensor to be equal size, "
    "but got [1, 8, 8] at entry 0 and [3, 8, 8] at entry 1"
)
WANTED = "data/grayscale_image_in_rgb_batch"
PASTED = {item["how"]: item["text"] for item in _lines("pasted.jsonl")}  # one message, in many ways


@pytest.mark.parametrize("how", PASTED)
def test_a_message_is_found_however_it_is_pasted(how: str) -> None:
    assert answer(PASTED[how])[0].id == WANTED


@pytest.mark.parametrize(
    ("text", "case"),
    [
        (
            (
                "../aten/src/ATen/native/cuda/Loss.cu:94: operator(): block: [0,0,0], "
                "thread: [9,0,0] "
                "Assertion `input_val >= zero && input_val <= one` failed.\n"
                "RuntimeError: CUDA error: device-side assert triggered"
            ),
            "loss/bceloss_on_logits",
        ),
        (
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (3584x7 and 25088x4096)",
            "shape/missing_flatten",
        ),
        (
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x2304 and 9216x10)",
            "shape/linear_in_features_image_size",
        ),
        (
            (
                "RuntimeError: Given groups=1, weight of size [64, 3, 7, 7], expected "
                "input[1, 224, 224, 3] to have 3 channels, but got 224 channels instead"
            ),
            "shape/channels_last_images",
        ),
        (
            (
                "RuntimeError: Given groups=1, weight of size [64, 3, 7, 7], expected "
                "input[1, 4, 400, 640] to have 3 channels, but got 4 channels instead"
            ),
            "data/rgba_images",
        ),
        ("IndexError: Target 255 is out of bounds.", "loss/mask_of_0_and_255"),
        (
            (
                "size mismatch, m1: [2 x 62016], m2: [2816 x 256 ] at "
                "/pytorch/THCTensorMathBlas.cu:249"
            ),
            "shape/linear_in_features_image_size",
        ),
    ],
)
def test_the_numbers_separate_mistakes(text: str, case: str) -> None:
    assert answer(text)[0].id == case


def test_the_frames_separate_layers() -> None:
    same = {
        "a/conv": [Message("RuntimeError", "x is bad", "self.conv(x)", "Conv2d")],
        "a/linear": [Message("RuntimeError", "x is bad", "self.fc(x)", "Linear")],
        "a/cat": [Message("RuntimeError", "x is bad", "torch.cat([x, y])", "")],
    }
    found_index = index.build(same)
    frame = 'File "/env/torch/nn/modules/{}.py", line 9, in forward\nRuntimeError: x is bad'
    for layer in ("linear", "conv"):
        found = ranking.rank(found_index, reading.read(frame.format(layer)), Weights())
        assert found[0].id == f"a/{layer}"
        assert found[0].score > found[1].score
    called = (
        '  File "net.py", line 3, in forward\n    y = torch.cat([a, b], 1)\nRuntimeError: x is bad'
    )
    assert ranking.rank(found_index, reading.read(called), Weights())[0].id == "a/cat"


def _index_of(*features: str) -> Index:
    """Return an index of one document, in which one case of three has each feature."""
    document = Document("a/b", "", "", own=True, places=[], features=list(features))
    return Index(["a/b", "c/d", "e/f"], dict.fromkeys(features, 1), [document])


def test_the_threshold_is_lower_where_the_text_uses_words_of_torch() -> None:
    weights = Weights(surplus=0.0, missing=1.0, threshold=0.6, near=0.4)
    for says, answered in (("red tensor", []), ("red state_dict", ["a/b"])):
        read = Reading([Candidate("", says, 1.0)], frozenset())
        found = ranking.rank(_index_of("red", "green"), read, weights)
        assert [item.id for item in found] == answered


def test_the_score_is_as_specified() -> None:
    weights = Weights(surplus=0.4, missing=0.5, pair=0.25, unknown=0.5, threshold=0.0)
    read = Reading([Candidate("", "red blue", 0.9)], frozenset())
    (found,) = ranking.rank(_index_of("red", "green"), read, weights)
    rare = math.log(3 + 1 + index.COMMON)  # of a feature that one case has, or none
    # Shared: red. Only the text has blue, which no message has. Only the message has green.
    score = 0.9 * rare / (rare + 0.4 * (0.5 * rare) + 0.5 * rare)
    assert found.score == round(score, ranking.DIGITS)


def test_an_index_survives_json() -> None:
    again = msgspec.json.decode(msgspec.json.encode(INDEX), type=Index)
    read = reading.read(PASTED["a traceback"])
    assert ranking.rank(again, read, Weights()) == ranking.rank(INDEX, read, Weights())


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        "(" * 10**5,
        "RuntimeError: x\n" * 10**5,
        "a." * 10**5,
        "[1, " * 10**5,
        "\n".join(f"line {n} of a log" for n in range(10**5)),
        "\x00\x1b[31m\ud800" * 10**4,
        f"mat1 and mat2 shapes cannot be multiplied ({'9' * 5000}x1 and 2x{'9' * 5000})",
        "Missing key(s) in state_dict:" * 5000,
        "'" * 10**5,
        "Error: " * 10**5,
    ],
)
def test_a_hostile_text_needs_little_processor_time(text: str) -> None:
    start = time.process_time()
    assert len(answer(text)) <= len(KNOWN)
    assert time.process_time() - start < 10


def test_the_python_function_returns_matches() -> None:
    assert package.explain is explain
    (match,) = package.explain(LAST, top=1)
    assert (match.id, match.score) == (WANTED, 1.0)
    assert match.numbers == [
        "Entry 0 has shape [1, 8, 8], entry 1 has [3, 8, 8]. They differ in dimension 0."
    ]
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        package.explian  # noqa: B018  (the access is what is tested)


MINE = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x4 and 16x5)"


@pytest.fixture
def ours(harness: Command) -> Command:
    seen = [{"message": MINE}]
    corpus_of(harness.root, {"shape/pair": Pair(extra={"other_messages": seen})})
    return harness


def test_the_command_prints_the_case(ours: Command) -> None:
    done = ours("explain", MINE)
    assert done.code == 0
    for text in (
        "1. A network of a test  (shape/pair)",
        "Your numbers: Linear expects 16 features",
        "What it means: It flattens too little.",
        "How to tell it apart: Do the shapes agree?",
        "-         return self.fc(torch.flatten(x, 2))",
        "broken-convnets show shape/pair",
    ):
        assert text in done.out


def test_the_command_reports_that_no_case_is_similar(ours: Command) -> None:
    done = ours("explain", "KeyError: 'x'")
    assert done.code == 1
    assert "No similar case found." in done.out
    assert ours.json("explain", "KeyError: 'x'") == {"matches": [], "other": None}


def test_the_json_has_the_best_match_first(ours: Command) -> None:
    found = ours.json("explain", MINE)["matches"]
    assert [set(match) for match in found] == [
        {"id", "score", "title", "numbers", "why", "distinguish", "read", "unverified", "steps"}
    ]
    assert (found[0]["id"], found[0]["score"], found[0]["read"]) == ("shape/pair", 1.0, MINE)


def test_the_text_may_be_a_file_or_piped(
    ours: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"\xff noise\n" + MINE.encode())
    assert ours("explain", "--file", str(path)).code == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert ours("explain").code == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("before", [0, 9 * LIMIT])
def test_a_file_may_have_the_encodings_of_powershell(encoding: str, before: int) -> None:
    text = "RuntimeError: " + "\u2026" * before + "\r\nValueError: \u201cmat1\u201d\r\n"
    assert tail(io.BytesIO(text.encode(encoding))) == text[-LIMIT:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "there is nothing to explain"),
        ([" \n"], "there is nothing to explain"),
        ([MINE, "--file", "x"], "give the text or --file, not both"),
        (["--file", "no/such/file"], "no/such/file cannot be read: No such file"),
        (["--file", "."], ". cannot be read: Is a directory"),
        ([MINE, "--top", "0"], "argument --top: '0' is not a positive integer"),
        ([MINE, "--top", "x"], "argument --top"),
    ],
)
def test_a_usage_error_exits_2(arguments: list[str], message: str, ours: Command) -> None:
    done = ours("explain", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize("end", ["", "\n"])
def test_one_ctrl_d_ends_the_text_in_a_terminal(
    end: str, ours: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, slave = os.openpty()
    os.write(terminal, f"a line\n{MINE}{end}\x04".encode())
    with open(slave, encoding="utf-8") as typed:  # noqa: PTH123  (a descriptor has no path)
        monkeypatch.setattr("sys.stdin", typed)
        done = ours("explain")
    os.close(terminal)
    assert done.code == 0
    assert "press Ctrl-D" in done.err


def test_markup_and_control_characters_in_the_text_stay_text(ours: Command) -> None:
    done = ours("explain", f"{MINE} [red]not red[/red] \x1b[2J\x07")
    assert "[red]not red[/red]" in done.out
    assert not set("\x1b\x07") & set(done.out)


def test_top_limits_the_answer() -> None:
    text = "ValueError: optimizer got an empty parameter list"
    assert len(explain(text, top=2)) == 2
    assert len(explain(text, top=99)) > 3


def test_of_each_kind_one_case_comes_before_its_others() -> None:
    extra = {
        name: {"covers": [kind], "level": level}
        for name, kind, level in (("a", "k/common", 1), ("b", "k/common", 2), ("c", "k/rare", 1))
    }
    cases = [case_of(Pair(extra=keys), f"shape/{name}") for name, keys in extra.items()]
    met = Counter({"k/common": 10, "k/rare": 1})
    assert [case.id[-1] for case in messages.ordered(cases, met)] == ["a", "c", "b"]


def test_a_message_under_an_unsupported_release_is_not_indexed(tmp_path: Path) -> None:
    said = {
        verdict: Side(raises="ValueError", message=f"said when {verdict}") for verdict in Verdict
    }
    entries = {
        f"shape/{verdict}": Record(verdict, said[verdict])
        for verdict in (Verdict.REPRODUCED, Verdict.NOT_HERE)
    }
    hello = RuntimeInfo("3.11", "2.2.2", "0.17.2", {"cpu": ""})
    update(tmp_path, hello, {"cpu": entries}, set(entries))
    assert list(messages.recorded(tmp_path)) == ["shape/reproduced"]


def test_a_caught_exception_is_ranked_as_its_traceback_is() -> None:
    same = {
        "a/conv": [Message("RuntimeError", "x is bad", "self.conv(x)", "Conv2d")],
        "a/linear": [Message("RuntimeError", "x is bad", "self.fc(x)", "Linear")],
        "a/cat": [Message("RuntimeError", "x is bad", "torch.cat([x, y])", "")],
    }
    found_index = index.build(same)
    for facts, wanted in (
        (ErrorFacts("RuntimeError", "x is bad", layer="Linear"), "a/linear"),
        (ErrorFacts("RuntimeError", "x is bad", operator="aten::conv2d", layer="Conv2d"), "a/conv"),
        (ErrorFacts("RuntimeError", "x is bad", expression="torch.cat([a, b], 1)"), "a/cat"),
        (ErrorFacts("RuntimeError", "x is bad", operator="torch.cat"), "a/cat"),
    ):
        found = ranking.rank(found_index, reading.from_facts(facts), Weights())
        assert found[0].id == wanted
        assert found[0].score > found[1].score


def test_explain_takes_a_caught_exception() -> None:
    message = LAST.removeprefix("RuntimeError: ")
    (match,) = explain(ErrorFacts("RuntimeError", f"{message}\nand a note"), top=1)
    assert match.id == WANTED
    assert explain(ErrorFacts("KeyError", "'x'")) == []
