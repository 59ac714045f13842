"""`broken-convnets diagnose`: programs run as Python runs them, and the report or document."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from forks import call, command_line
from jsonschema import Draft202012Validator
from kit import put

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forks import Ended

ROOT = Path(__file__).parent.parent.parent
SCHEMA = ROOT / "harness/broken_convnets/commands/diagnose/diagnosis.schema.json"
HEAD = """import os, signal, sys, threading, torch
from torch import nn

net = nn.Linear(4, 3)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)


def train(steps, fresh=False):
    for _ in range(steps):
        if fresh:
            optimizer.zero_grad()
        net(torch.ones(2, 4)).square().sum().backward()
        optimizer.step()


"""
BEFORE = 11  # the line above the forward pass: the fix adds one below it
AGAIN = "running the program again, changed, to verify fixes (--no-fix skips this)"
MESSAGE = "mat1 and mat2 shapes cannot be multiplied (2x5 and 4x3)"


@dataclass(frozen=True)
class Program:
    body: str
    options: tuple[str, ...] = ("--no-fix",)
    stdin: str = ""
    environment: tuple[tuple[str, str], ...] = (("NO_COLOR", "1"),)


PROGRAMS = {
    "stale": Program("print(sys.argv, __name__)\ntrain(3)\nos.chdir('/')", options=()),
    "stale, as a document": Program(
        "train(3)\nprint('to stdout')\nos.system('echo from a child')", ("--json", "--apply")
    ),
    "healthy": Program("train(3, fresh=True)"),
    "exit": Program("train(3)\nsys.exit(7)"),
    "exit with a sentence": Program("sys.exit('no data')"),
    "raises": Program("net(torch.ones(2, 5))"),
    "raises its own": Program("net(torch.ones(2, 4))\nraise LookupError('no data')", ("--table",)),
    "raises, whole traceback": Program("net(torch.ones(2, 5))", ("--traceback",)),
    "raises, as a document": Program("net(torch.ones(2, 5))", ("--json",)),
    "syntax": Program("def broken(:"),
    "reads stdin": Program("print(sys.stdin.readline())\ntrain(3)", (), "a line\n"),
    "asks": Program("print(input())\ntrain(3)", (), "a line\n"),
    "iterates over stdin": Program("print(list(sys.stdin), sys.stdin.name)\ntrain(3)", (), "a\nb"),
    "longer than the budget": Program("train(3)", ("--budget", "0.001")),
    "closes its streams": Program("train(3)\nsys.stdout.close()\nsys.stderr.close()"),
    "replaces its streams": Program("train(3)\nimport io\nsys.stdout = sys.stderr = io.StringIO()"),
    "os._exit": Program("train(3)\nprint('end', flush=True)\nos._exit(0)", ()),
    "os._exit with a code": Program("train(3)\nos._exit(3)"),
    "forks": Program("train(3, fresh=True)\nif not os.fork(): os._exit(3)\nprint(os.wait()[1])"),
    "thread": Program("threading.Thread(target=train, args=[3, True]).start()"),
    "worker": Program("""
class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return torch.ones(4)


for images in torch.utils.data.DataLoader(Data(), num_workers=1):
    net(images)
print("done")
"""),
    "interrupted": Program("train(3)\nsignal.raise_signal(signal.SIGINT)", ()),
    "terminated": Program("train(3)\nsignal.raise_signal(signal.SIGTERM)", ("--json",)),
    "colors": Program("train(3)", environment=(("FORCE_COLOR", "1"), ("TERM", "xterm-256color"))),
    "no colors": Program("train(3)", environment=(("FORCE_COLOR", "1"), ("NO_COLOR", "1"))),
}
MISTAKES = {
    "no program": [],
    "unknown program": ["nowhere.py"],
    "unknown module": ["-m", "nowhere"],
    "apply without trials": ["--apply", "--no-fix", "x.py"],
    "budget": ["--budget", "-1", "x.py"],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Ended]:
    """Return what became of each program and each mistaken command line, by its name."""
    calls = {}
    for name, program in PROGRAMS.items():
        folder = tmp_path_factory.mktemp("program")
        put(folder / "below/program.py", HEAD + program.body + "\n")
        put(folder / "in", program.stdin)
        arguments = [*program.options, "below/program.py", "--", "--lr", "0.1", "--json"]
        environment = dict(program.environment)
        calls[name] = command_line(folder, ["diagnose", *arguments], **environment)
    for name, arguments in {**MISTAKES, "schema": ["--schema"], "rules": ["--rules"]}.items():
        calls[name] = command_line(tmp_path_factory.mktemp("mistake"), ["diagnose", *arguments])
    return dict(zip(calls, call(*calls.values()), strict=True))


def test_the_report_has_place_evidence_verified_fix_and_case(ran: Mapping[str, Ended]) -> None:
    done = ran["stale"]
    assert done.code == 1, done.err
    assert done.out == "['below/program.py', '--lr', '0.1', '--json'] __main__\n"
    lines = done.err.splitlines()
    assert lines[0].startswith("running the program again, changed")
    assert lines[1].startswith(f"below/program.py:{BEFORE}  error: ")
    assert "violates gradients-are-fresh" in lines[1]
    assert "at step 2, weight still holds" in lines[2]
    assert lines[3].startswith("  fix (verified: ")
    assert lines[5] == "    +        optimizer.zero_grad()"
    assert "  read on: broken-convnets show missing_zero_grad" in lines
    assert "whether the fixes work" not in done.err


def test_the_document_has_stdout_to_itself(ran: Mapping[str, Ended]) -> None:
    done = ran["stale, as a document"]
    (finding,) = done.document["findings"]
    assert finding["cause"] == {"file": "below/program.py", "line": BEFORE}
    assert [fix["verified"] for fix in finding["fixes"]] == [True]
    assert done.document["command"] == ["below/program.py", "--lr", "0.1", "--json"]
    for text in ("to stdout", "from a child"):
        assert f"{text}\n" in done.err


def test_apply_writes_the_fix_that_the_document_shows(ran: Mapping[str, Ended]) -> None:
    done = ran["stale, as a document"]
    program = done.folder / "below/program.py"
    assert "        optimizer.zero_grad()\n        net(torch.ones(2, 4))" in program.read_text()
    original = program.with_name("program.py.orig")
    assert f"{original}\n" in done.err
    put(done.folder / "patched/below/program.py", original.read_text())
    put(done.folder / "patch", done.document["findings"][0]["fixes"][0]["diff"])
    subprocess.run(["git", "apply", "../patch"], cwd=done.folder / "patched", check=True)
    assert (done.folder / "patched/below/program.py").read_text() == program.read_text()


def test_the_table_shows_the_layers_before_the_report(ran: Mapping[str, Ended]) -> None:
    table, report = ran["raises its own"].err.split("\n\n", 1)
    assert table.startswith("Linear, forward pass 1 of 1\n  Linear  float32[2, 4] -> float32[2, 3]")
    assert report.startswith("below/program.py:")
    assert "forward pass 1 of 1" not in ran["raises"].err


def test_properties_with_one_reason_are_counted(ran: Mapping[str, Ended]) -> None:
    assert re.search(r"\n  \d+ properties \(the program failed before", ran["raises its own"].err)


@pytest.mark.parametrize("name", ["stale, as a document", "raises, as a document", "terminated"])
def test_every_document_follows_the_schema(name: str, ran: Mapping[str, Ended]) -> None:
    validator = Draft202012Validator(json.loads(ran["schema"].out))
    assert list(validator.iter_errors(ran[name].document)) == []
    assert list(validator.iter_errors({**ran[name].document, "findings": [{}]}))


def test_the_packaged_schema_is_the_one_of_the_document(ran: Mapping[str, Ended]) -> None:
    from broken_convnets.commands.diagnose.document import json_schema  # noqa: PLC0415  (needs msgspec only)

    assert json.loads(SCHEMA.read_text()) == json_schema()
    assert ran["schema"].out == SCHEMA.read_text()


def test_the_rules_are_listed(ran: Mapping[str, Ended]) -> None:
    assert "  stale_gradients\n    checks that at each optimizer step, " in ran["rules"].out


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("healthy", 0, "nothing found\n"),
        ("exit", 7, "at step 2, weight"),
        ("exit with a sentence", 1, "no data\n"),
        ("raises its own", 1, "no rule recognizes the cause"),
        ("syntax", 1, "SyntaxError: "),
        ("closes its streams", 1, "at step 2, weight"),
        ("replaces its streams", 1, "at step 2, weight"),
        ("os._exit", 1, "whether the fixes work (the program ends with os._exit)"),
        ("os._exit with a code", 3, "at step 2, weight"),
        ("forks", 0, "nothing found\n"),
        ("thread", 0, "nothing found\n"),
        ("worker", 0, "nothing found\n"),
        ("interrupted", 130, "the program was interrupted: this is what was seen so far"),
        ("terminated", 143, ""),
    ],
)
def test_the_exit_code_is_the_one_of_the_program_or_1(
    name: str, code: int, says: str, ran: Mapping[str, Ended]
) -> None:
    assert ran[name].code == code, ran[name].err
    assert says in ran[name].err
    assert "/harness/" not in ran[name].err


def test_a_forked_process_ends_as_usual(ran: Mapping[str, Ended]) -> None:
    assert ran["forks"].out == f"{3 << 8}\n"
    assert ran["worker"].out == "done\n"
    assert ran["os._exit"].out == "end\n"


@pytest.mark.parametrize("name", ["interrupted", "terminated"])
def test_what_was_seen_before_a_signal_is_judged(name: str, ran: Mapping[str, Ended]) -> None:
    assert "still holds the gradient" in ran[name].out + ran[name].err
    assert "running the program again" not in ran[name].err
    assert "whether the fixes work" in ran[name].out + ran[name].err


def test_a_failure_is_named_first_and_its_traceback_printed_once(ran: Mapping[str, Ended]) -> None:
    line = HEAD.count("\n") + 1
    text = ran["raises"].err
    assert text.startswith(f"below/program.py:{line}  RuntimeError: {MESSAGE}\n")
    assert text.count("Traceback (most recent call last):") == 1
    assert re.search(r"\n  \[\d+ frames in torch; --traceback shows all\]\nRuntimeError: ", text)
    whole = ran["raises, whole traceback"].err
    assert "frames in torch" not in whole
    assert "torch/nn/modules/linear.py" in whole


def test_a_failure_in_the_document(ran: Mapping[str, Ended]) -> None:
    done = ran["raises, as a document"]
    error = done.document["error"]
    assert (error["type"], error["message"]) == ("RuntimeError", MESSAGE)
    assert error["location"]["file"] == "below/program.py"
    assert done.err.removeprefix(f"{AGAIN}\n") == error["traceback"]
    assert done.document["exit_code"] == done.code == 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("reads stdin", "the program reads standard input, so it is not run again"),
        ("asks", "the program reads standard input, so it is not run again"),
        ("iterates over stdin", "the program reads standard input, so it is not run again"),
        ("longer than the budget", "and may run again for 0.001 s"),
    ],
)
def test_a_program_that_is_not_run_again_says_why(
    name: str, why: str, ran: Mapping[str, Ended]
) -> None:
    assert ran[name].code == 1
    assert f"{why})" in ran[name].err
    assert "running the program again" not in ran[name].err


def test_a_program_reads_its_own_input(ran: Mapping[str, Ended]) -> None:
    assert ran["reads stdin"].out == "a line\n\n"
    assert ran["asks"].out == "a line\n"
    assert ran["iterates over stdin"].out == "['a\\n', 'b'] <stdin>\n"


def test_no_color_removes_the_colors(ran: Mapping[str, Ended]) -> None:
    color = re.compile(r"\x1b\[[0-9;]*3[0-9]")
    assert color.search(ran["colors"].err)
    assert not color.search(ran["no colors"].err)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistaken_command_exits_2_before_anything_runs(
    name: str, ran: Mapping[str, Ended]
) -> None:
    assert (ran[name].code, ran[name].out) == (2, "")
    assert "error: " in ran[name].err
