"""The command line: help, completion, exit codes and messages for mistakes; and `reproduce`."""

from __future__ import annotations

import errno
import os
import re
import runpy
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import broken_convnets
import pytest
from broken_convnets.cli import main
from broken_convnets.commands.registry import COMMANDS, GROUPS
from broken_convnets.version import __version__
from kit import RAISES, SAYS, Pair, Solo, corpus_of, patched, put

if TYPE_CHECKING:
    from conftest import Command


def test_all_as_declared_exits_0(harness: Command) -> None:
    done = harness("reproduce")
    assert done.code == 0
    assert "1 pairs reproduced, 1 controls work" in done.out
    assert "cuda: not used (no CUDA device)" in done.out
    assert SAYS[:10] in done.out


def test_a_different_failure_exits_1_and_shows_both(harness: Command) -> None:
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


def test_a_violated_law_is_named(harness: Command) -> None:
    linear = patched(("torch.relu(self.conv(x))", "self.conv(x)"))
    corpus_of(harness.root, {"loss/liar": Pair(fixed=linear)})
    done = harness("reproduce", "liar")
    assert re.search(r"\bnonlinear +declared +The network is not an affine function", done.out)
    assert "Law." not in done.out


def test_an_invalid_toml_does_not_stop_the_other_entries(harness: Command) -> None:
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


def test_the_json_of_reproduce_has_the_documented_keys(harness: Command) -> None:
    document = harness.json("reproduce")
    assert set(document) == {"environment", "outcomes"}
    environment = document["environment"]
    assert environment["devices"] == {"cpu": "used", "cuda": "not used: no CUDA device"}
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


def test_a_difference_from_the_records_is_shown_and_exits_0(harness: Command) -> None:
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
def test_an_unavailable_device_exits_2_with_a_sentence(device: str, harness: Command) -> None:
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


@pytest.mark.parametrize("command", [["list"], ["lint"], ["reproduce"]])
def test_a_folder_without_a_corpus_exits_2(command: list[str], harness: Command) -> None:
    harness.root = harness.root / "nowhere"
    done = harness(*command)
    assert done.code == 2
    assert "nowhere is not a corpus" in done.err


def test_a_damaged_record_exits_2_with_its_path(harness: Command) -> None:
    put(harness.root / "results/torch-2.14.1/cpu.toml", "torch =")
    done = harness("reproduce")
    assert done.code == 2
    assert re.match(r"error: .*/results/torch-2\.14\.1/cpu\.toml: ", done.err)


def test_the_help_lists_every_command_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    for group, commands in GROUPS.items():
        (block,) = re.findall(rf"^{group}:\n((?:  .+\n)+)", shown, re.MULTILINE)
        assert re.findall(r"^  (\w+) +\w", block, re.MULTILINE) == list(commands)


def test_help_on_request_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    without = capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--help"])
    assert capsys.readouterr().out == without


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"broken-convnets {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["reprodce"], "unknown command 'reprodce': did you mean reproduce?"),
        (["REPRODUCE"], "unknown command 'REPRODUCE': did you mean reproduce?"),
        (["qqq"], "unknown command 'qqq'"),
        (["list", "--jsno"], "unknown argument '--jsno': did you mean --json?"),
        (["reproduce", "pair", "--wrkers", "2"], "'--wrkers': did you mean --workers?"),
        (["trace", "--stp", "2", "x.py"], "'--stp': did you mean --step?"),
        (["list", "--qqq"], "unknown argument '--qqq'"),
        (["--json", "list"], "unknown option '--json': write the command first"),
    ],
)
def test_a_typing_error_gets_a_suggestion(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert ("did you mean" in err) == ("did you mean" in sentence)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: broken-convnets {name} ")
    assert "--corpus DIR" in shown


def test_an_output_path_that_cannot_be_written_exits_2(harness: Command) -> None:
    put(harness.root / "file", "")
    done = harness("site", "--out", str(harness.root / "file/site"))
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"error: cannot use .*/file\S*: Not a directory; check the .*\n", done.err)


def test_an_error_without_a_path_is_one_sentence_with_its_reason(
    harness: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> int:
        raise OSError(errno.EIO, "defect")

    monkeypatch.setattr("broken_convnets.commands.list.command.run", fail)
    done = harness("list")
    assert done.code == 2
    assert done.err == (
        "error: the system refused an operation: defect; check the free space and the limits\n"
    )


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if command.needs])
def test_a_command_without_its_library_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"trace": ["x.py"]}
    monkeypatch.setattr("broken_convnets.util.optional.find_spec", lambda _: None)
    assert main([name, *arguments.get(name, [])]) == 2
    sentence = f"error: `{name}` needs PyTorch: pip install 'broken-convnets[torch]'\n"
    assert capsys.readouterr() == ("", sentence)


@pytest.mark.parametrize("name", ["trace", "check"])
def test_a_function_without_its_library_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broken_convnets.first_missing", lambda _: "torch")
    with pytest.raises(ImportError, match=f"`{name}` needs PyTorch: pip install"):
        getattr(broken_convnets, name)


@pytest.mark.slow
def test_diagnose_runs_as_a_module_like_those_of_torch_utils(tmp_path: Path) -> None:
    put(tmp_path / "train.py", "import sys\nprint(__name__, sys.argv)\nsys.exit(7)\n")
    module = [sys.executable, "-m", "broken_convnets.diagnose"]
    command = [*module, "--no-fix", "train.py", "--lr", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "__main__ ['train.py', '--lr', '1']\n")
    assert done.stderr.startswith("nothing found")


def test_the_module_that_runs_diagnose_does_not_hide_the_function() -> None:
    with pytest.raises(ImportError, match="from broken_convnets import diagnose"):
        import_module("broken_convnets.diagnose")
    assert broken_convnets.diagnose.__module__ == "broken_convnets.commands.diagnose.api"


def test_processes_that_the_program_spawns_may_import_the_main_module() -> None:
    path = Path(broken_convnets.__file__).with_name("diagnose.py")
    assert "main" not in runpy.run_path(str(path), run_name="__mp_main__")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("rep", {"reproduce"}),
        ("li", {"list", "lint"}),
        ("list --js", {"--json"}),
        ("show --corpus {root} dtype", {"dtype", "dtype/myth"}),
        ("show --corpus {root} pa", {"pair"}),
        ("show --corpus {root} shape/", {"shape/pair"}),
        ("show --corpus nowhere pa", set()),
        ("score ruf", {"ruff"}),
    ],
)
def test_the_shell_completes(typed: str, expected: set[str], tmp_path: Path) -> None:
    corpus_of(tmp_path, {"shape/pair": Pair(), "dtype/myth": Solo()})
    line = f"broken-convnets {typed.format(root=tmp_path)}"
    request = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "completions"),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run(
        [sys.executable, "-m", "broken_convnets"], env={**os.environ, **request}, check=True
    )
    completions = (tmp_path / "completions").read_text().split("\n")
    assert {word.strip() for word in completions if word.strip()} == expected


def test_the_entry_points_are_marked_for_global_completion() -> None:
    for module in ("broken_convnets.cli", "broken_convnets.__main__"):
        spec = find_spec(module)
        assert spec
        assert spec.origin
        assert b"PYTHON_ARGCOMPLETE_OK" in Path(spec.origin).read_bytes()[:1024]


def test_one_ctrl_d_ends_the_text_that_explain_reads_from_a_terminal() -> None:
    pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "broken_convnets", "explain"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, b"TypeError: conv2d() got NoneType\n\x04")
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(ours)
        os.close(theirs)
    assert "press Ctrl-D" in err
    assert "none/" in out
