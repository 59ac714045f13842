"""The command line: what it prints, what it answers to mistakes, what it exits with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from kit import HEALTHY, RAISES, SAYS, Pair, Remembering, Solo, corpus_of, patched, put

from harness.cli import main
from harness.lint import lint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")
ENTRIES = {"shape/pair": Pair(), "dtype/myth": Solo()}


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


class Command:
    """Runs the command line in this process, with the session's runner and a corpus."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capture = capture

    def __call__(self, *arguments: str) -> Finished:
        self._capture.readouterr()
        try:
            code = main([*arguments, "--corpus", str(self.root)])
        except SystemExit as end:
            code = int(end.code or 0)
        said = self._capture.readouterr()
        return Finished(code, said.out, said.err)

    def json(self, *arguments: str) -> Any:  # noqa: ANN401
        return json.loads(self(*arguments, "--json").out)


@pytest.fixture
def harness(
    runner: Remembering,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Command]:
    no_cuda = msgspec.structs.replace(runner.hello, devices={"cpu": "", "cuda": "no CUDA device"})
    monkeypatch.setattr(runner, "hello", no_cuda)
    monkeypatch.setattr("harness.session.open_runner", lambda _: nullcontext(runner))
    monkeypatch.setenv("NO_COLOR", "1")
    former = signal.getsignal(signal.SIGTERM)
    corpus_of(tmp_path, dict(ENTRIES))
    yield Command(tmp_path, capsys)
    signal.signal(signal.SIGTERM, former)


def test_all_as_declared_exits_0(harness: Command) -> None:
    done = harness("reproduce")
    assert done.code == 0
    assert "1 pairs reproduced, 1 controls work" in done.out
    assert "cuda: not tried (no CUDA device)" in done.out
    assert SAYS[:10] in done.out


def test_what_is_not_as_declared_exits_1_and_shows_both(harness: Command) -> None:
    corpus_of(harness.root, {"loss/liar": Pair(declared={"says": "must be Tensor"})})
    done = harness("reproduce")
    assert done.code == 1
    assert "1 wrong_symptom" in done.out
    assert re.search(r"says  declared +must be Tensor", done.out)
    assert re.search(rf"happened +mat1 and mat2 shapes {SAYS}", done.out)
    assert "next: python cases/loss/liar.py, then python -m harness reproduce loss/liar" in done.out


def test_a_case_that_does_not_fail_exits_1(harness: Command) -> None:
    sound = Pair(patched(("torch.relu", "torch.tanh")), declared={"at": "torch.flatten(x, 1)"})
    corpus_of(harness.root, {"loss/liar": sound})
    done = harness("reproduce", "liar")
    assert done.code == 1
    assert "0 pairs reproduced, 0 controls work, 1 not_reproduced" in done.out


def test_a_broken_law_is_named_by_its_name(harness: Command) -> None:
    linear = patched(("torch.relu(self.conv(x))", "self.conv(x)"))
    corpus_of(harness.root, {"loss/liar": Pair(fixed=linear)})
    done = harness("reproduce", "liar")
    assert re.search(r"\bnonlinear +declared +The network is not an affine map", done.out)
    assert "Law." not in done.out


def test_a_bad_toml_is_invalid_and_the_others_are_judged(harness: Command) -> None:
    corpus_of(harness.root, {"loss/bad": Pair()})
    put(harness.root / "cases/loss/bad.toml", "title = ")
    found = {item["id"]: item for item in harness.json("reproduce")["outcomes"]}
    assert {name: item["verdict"] for name, item in found.items()} == {
        "loss/bad": "invalid", "shape/pair": "reproduced", "dtype/myth": "works"}  # fmt: skip
    assert "not valid TOML" in found["loss/bad"]["mismatches"][0]["happened"]
    assert harness("reproduce").code == 1


def test_the_document_of_reproduce_has_its_keys(harness: Command) -> None:
    document = harness.json("reproduce")
    assert set(document) == {"environment", "outcomes"}
    environment = document["environment"]
    assert environment["devices"] == {"cpu": "tried", "cuda": "not tried: no CUDA device"}
    assert {"python", "torch", "torchvision", "isolation"} <= set(environment)
    assert [(item["id"], item["kind"], item["device"], item["verdict"])
            for item in document["outcomes"]] == [
        ("dtype/myth", "control", "cpu", "works"), ("shape/pair", "pair", "cpu", "reproduced"),
    ]  # fmt: skip
    assert document["outcomes"][1]["broken"]["at"] == RAISES


def test_blessing_writes_the_results_of_the_other_corpus(harness: Command) -> None:
    done = harness("reproduce", "--bless")
    assert done.code == 0
    assert f"blessed {harness.root}/results/torch-" in done.err
    assert "reproduced: RuntimeError" in (harness.root / "results/README.md").read_text()
    again = harness("reproduce")
    assert "no recorded results" not in again.out
    assert "not as recorded" not in again.out


def test_drift_from_the_records_is_shown_and_exits_0(harness: Command) -> None:
    harness("reproduce", "--bless")
    (book,) = harness.root.glob("results/torch-*/cpu.toml")
    book.write_text(book.read_text().replace("mat1 and mat2", "mat3 and mat4"))
    done = harness("reproduce")
    assert done.code == 0
    assert "shape/pair on cpu: as declared, but not as recorded" in done.out


@pytest.mark.parametrize("command", ["reproduce", "list", "show"])
def test_an_unknown_id_exits_2_with_a_suggestion(command: str, harness: Command) -> None:
    done = harness(command, "shape/pear")
    assert (done.code, done.out) == (2, "")
    assert "error: no case or control is called 'shape/pear': did you mean shape/pair?" in done.err


@pytest.mark.parametrize("device", ["cuda", "cpu,cuda", "tpu"])
def test_a_device_that_is_not_there_exits_2_with_a_sentence(device: str, harness: Command) -> None:
    done = harness("reproduce", "--device", device)
    assert done.code == 2
    assert re.match(r"error: --device '?(cuda|tpu)'? (was asked for, but|is unknown)", done.err)
    assert "reproduced" not in done.out


@pytest.mark.parametrize(
    "arguments", [[], ["prove"], ["reproduce", "--repeat", "0"], ["reproduce", "--workers", "x"],
                  ["show"], ["reproduce", "--timeout", "0"], ["list", "--bless"]]
)  # fmt: skip
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


def test_list_has_a_row_or_an_object_per_entry(harness: Command) -> None:
    put(harness.root / "cases/loss/half.py", HEALTHY)
    listed = {item["id"]: item["kind"] for item in harness.json("list")}
    assert listed == {"shape/pair": "pair", "dtype/myth": "control", "loss/half": "invalid"}
    rows = harness("list").out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == sorted(listed)
    assert [item["id"] for item in harness.json("list", "shape")] == ["shape/pair"]


def test_show_has_the_message_the_diff_and_the_reasons(harness: Command) -> None:
    harness("reproduce", "--bless")
    page = harness("show", "pair").out
    for text in (SAYS, f"- {' ' * 8}return {RAISES}   ◄ raises here", "+         return self.fc(",
                 "fc Linear", "It flattens too little.", "https://example.org/question"):  # fmt: skip
        assert text in page
    assert "This cannot work." in harness("show", "dtype/myth").out
    assert harness.json("show", "pair")["programs"]["fixed"] == HEALTHY
    assert harness.json("show", "pair")["record"]["verdict"] == "reproduced"


def test_show_of_several_is_one_document_too(harness: Command) -> None:
    corpus_of(harness.root, {"shape/other": Pair()})
    assert harness.json("show", "shape")


def test_lint_exits_1_where_there_is_a_problem(harness: Command) -> None:
    assert harness("lint").code == 0
    put(harness.root / "cases/loss/half.py", HEALTHY)
    done = harness("lint")
    assert done.code == 1
    assert "fixes/loss/half.py: is missing, though cases/loss/half.py is there" in done.out
    assert {item["id"] for item in harness.json("lint")} == {"loss/half"}


def test_new_writes_a_case_that_lacks_prose_alone(harness: Command) -> None:
    done = harness("new", "loss/my_mistake")
    assert done.code == 0
    names = ["cases/loss/my_mistake.py", "fixes/loss/my_mistake.py", "cases/loss/my_mistake.toml"]
    assert done.out.split() == [str(harness.root / name) for name in names]
    corpus = corpus_of(harness.root, {})
    assert [(problem.file, problem.message.partition(":")[0]) for problem in lint(corpus)] == [
        (names[2], "key `title`")
    ]
    put(harness.root / names[2], (harness.root / "cases/shape/pair.toml").read_text())
    corpus = corpus_of(harness.root, {})
    assert {problem.message.partition(":")[0] for problem in lint(corpus)} == {
        "is the same as the case", "key `broken.at`"}  # fmt: skip


@pytest.mark.parametrize("name", ["loss/pair", "loss/myth", "shape/pair"])
def test_new_refuses_an_id_that_is_taken(name: str, harness: Command) -> None:
    done = harness("new", name)
    assert done.code == 2
    assert "is taken by" in done.err
    assert not (harness.root / "cases/loss").exists()


@pytest.mark.parametrize("name", ["pair", "Loss/x", "a/b/c", "../x/y", "loss/", "loss/1x", "a/x-y"])
def test_new_refuses_what_is_no_id(name: str, harness: Command) -> None:
    done = harness("new", name)
    assert done.code == 2
    assert "is no id: write <topic>/<id>" in done.err


def test_no_color_takes_the_colour_out(harness: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert not COLOUR.search(harness("show", "pair").out)
    monkeypatch.delenv("NO_COLOR")
    assert COLOUR.search(harness("show", "pair").out)


def test_the_quick_commands_never_import_torch(tmp_path: Path) -> None:
    corpus_of(tmp_path, dict(ENTRIES))
    commands = [["list"], ["list", "--json"], ["show", "pair"], ["show", "pair", "--json"],
                ["lint"], ["new", "loss/mine"], ["--help"], ["reproduce", "--help"]]  # fmt: skip
    script = (
        "import sys\nfrom harness.cli import main\n"
        f"for command in {commands}:\n"
        "    try:\n"
        f"        main([*command, *(['--corpus', {str(tmp_path)!r}] * ('--help' not in command))])\n"
        "    except SystemExit:\n"
        "        pass\n"
        "    assert 'torch' not in sys.modules, command\n"
        "    assert 'numpy' not in sys.modules, command\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize(
    "command", [["list"], ["list", "--json"], ["show", "pair"], ["show", "pair", "--json"], ["lint"]]
)
def test_a_reader_that_has_gone_gives_no_traceback(command: list[str], tmp_path: Path) -> None:
    corpus_of(tmp_path, dict(ENTRIES))
    put(tmp_path / "cases/loss/half.py", HEALTHY)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "harness", *command, "--corpus", tmp_path],
        stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
