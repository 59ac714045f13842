"""`reproduce`, and what the command line answers to mistakes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from kit import RAISES, SAYS, Pair, corpus_of, patched, put

if TYPE_CHECKING:
    from conftest import Command


def test_all_as_declared_exits_0(harness: Command) -> None:
    done = harness("reproduce")
    assert done.code == 0
    assert "1 pairs reproduced, 1 controls work" in done.out
    assert "cuda: not tried (no CUDA device)" in done.out
    assert SAYS[:10] in done.out


def test_what_is_not_as_declared_exits_1_and_shows_both(harness: Command) -> None:
    corpus_of(harness.root, {"loss/liar": Pair(declared={"message": "must be Tensor"})})
    done = harness("reproduce")
    assert done.code == 1
    assert "1 wrong_symptom" in done.out
    assert re.search(r"message  declared +must be Tensor", done.out)
    assert re.search(rf"happened +mat1 and mat2 shapes {SAYS}", done.out)
    assert "next: python cases/loss/liar.py, then broken-convnets reproduce loss/liar" in done.out


def test_a_case_that_does_not_fail_exits_1(harness: Command) -> None:
    sound = Pair(
        patched(("torch.relu", "torch.tanh")), declared={"expression": "torch.flatten(x, 1)"}
    )
    corpus_of(harness.root, {"loss/liar": sound})
    done = harness("reproduce", "liar")
    assert done.code == 1
    assert "0 pairs reproduced, 0 controls work, 1 not_reproduced" in done.out


def test_a_broken_law_is_named_by_its_name(harness: Command) -> None:
    linear = patched(("torch.relu(self.conv(x))", "self.conv(x)"))
    corpus_of(harness.root, {"loss/liar": Pair(fixed=linear)})
    done = harness("reproduce", "liar")
    assert re.search(r"\bnonlinear +declared +The network is not an affine function", done.out)
    assert "Law." not in done.out


def test_a_bad_toml_is_invalid_and_the_others_are_judged(harness: Command) -> None:
    corpus_of(harness.root, {"loss/bad": Pair()})
    put(harness.root / "cases/loss/bad.toml", "title = ")
    found = {item["id"]: item for item in harness.json("reproduce")["outcomes"]}
    assert {name: item["verdict"] for name, item in found.items()} == {
        "loss/bad": "invalid",
        "shape/pair": "reproduced",
        "dtype/myth": "works",
    }
    assert "not valid TOML" in found["loss/bad"]["mismatches"][0]["happened"]
    assert harness("reproduce").code == 1


def test_the_document_of_reproduce_has_its_keys(harness: Command) -> None:
    document = harness.json("reproduce")
    assert set(document) == {"environment", "outcomes"}
    environment = document["environment"]
    assert environment["devices"] == {"cpu": "tried", "cuda": "not tried: no CUDA device"}
    assert {"python", "torch", "torchvision", "isolation"} <= set(environment)
    assert [
        (item["id"], item["kind"], item["device"], item["verdict"]) for item in document["outcomes"]
    ] == [
        ("dtype/myth", "control", "cpu", "works"),
        ("shape/pair", "pair", "cpu", "reproduced"),
    ]
    assert document["outcomes"][1]["broken"]["expression"] == RAISES


def test_update_writes_the_results_of_the_other_corpus(harness: Command) -> None:
    done = harness("reproduce", "--update")
    assert done.code == 0
    assert f"updated {harness.root}/results/torch-" in done.err
    assert "reproduced: RuntimeError" in (harness.root / "results/README.md").read_text()
    again = harness("reproduce")
    assert "no recorded results" not in again.out
    assert "not as recorded" not in again.out


def test_drift_from_the_records_is_shown_and_exits_0(harness: Command) -> None:
    harness("reproduce", "--update")
    (book,) = harness.root.glob("results/torch-*/cpu.toml")
    book.write_text(book.read_text().replace("mat1 and mat2", "mat3 and mat4"))
    done = harness("reproduce")
    assert done.code == 0
    assert "shape/pair on cpu: as declared, but not as recorded" in done.out


@pytest.mark.parametrize("command", ["reproduce", "list", "show"])
def test_an_unknown_id_exits_2_with_a_suggestion(command: str, harness: Command) -> None:
    done = harness(command, "shape/pear")
    assert (done.code, done.out) == (2, "")
    assert (
        "error: no case, control or topic is named 'shape/pear': did you mean shape/pair?"
        in done.err
    )


@pytest.mark.parametrize("device", ["cuda", "cpu,cuda", "tpu"])
def test_a_device_that_is_not_there_exits_2_with_a_sentence(device: str, harness: Command) -> None:
    done = harness("reproduce", "--device", device)
    assert done.code == 2
    assert re.match(r"error: --device ('tpu' is unknown|cuda .*no CUDA device)", done.err)
    assert "reproduced" not in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["prove"],
        ["reproduce", "--repeat", "0"],
        ["reproduce", "--workers", "x"],
        ["show"],
        ["reproduce", "--timeout", "0"],
        ["list", "--update"],
    ],
)
def test_a_mistaken_command_exits_2(arguments: list[str], harness: Command) -> None:
    done = harness(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "usage: " in done.err


@pytest.mark.parametrize("command", [["list"], ["lint"], ["reproduce"], ["new", "a/b"]])
def test_a_folder_that_is_no_corpus_exits_2(command: list[str], harness: Command) -> None:
    harness.root = harness.root / "nowhere"
    done = harness(*command)
    assert done.code == 2
    assert "nowhere is no corpus" in done.err


def test_a_damaged_record_exits_2_by_name(harness: Command) -> None:
    put(harness.root / "results/torch-2.14.1/cpu.toml", "torch =")
    done = harness("reproduce")
    assert done.code == 2
    assert re.match(r"error: .*/results/torch-2\.14\.1/cpu\.toml: ", done.err)
