"""`broken-convnets trace`: other people's programs, run as Python runs them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from forks import call, command_line
from kit import put

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from forks import Call, Ended

HEAD = (
    "import os, sys, threading, torch\nfrom torch import nn\nnet = nn.Sequential(nn.Linear(4, 3))\n"
)

# What each program does beyond HEAD, and the options before its name.
PROGRAMS: dict[str, tuple[str, list[str]]] = {
    "arguments": (
        """
        print(sys.argv, __name__, os.path.samefile(sys.path[0], os.path.dirname(__file__)))
        import helper
        print(helper.NAME, sys.modules["__main__"].net is net)
        net(torch.ones(1, 4))
    """,
        [],
    ),
    "loop": (
        """
        criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters())
        for step in range(9):
            loss = criterion(net(torch.ones(2, 4 if step < 5 else 5)), torch.tensor([0, 1]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    """,
        [],
    ),
    "chosen step": ("for size in (1, 2, 3): net(torch.ones(size, 4))", ["--step", "2"]),
    "step that never comes": ("net(torch.ones(1, 4))", ["--step", "2"]),
    "step before the failure": (
        "for size in (4, 4, 5): net(torch.ones(1, size))",
        ["--step", "1", "--json"],
    ),
    "exit": ("net(torch.ones(1, 4))\nsys.exit(7)", []),
    "exit with a sentence": ("sys.exit('no data')", []),
    "own error": (
        """
        class Mine(Exception):
            pass
        class Net(nn.Module):
            def forward(self, x):
                raise Mine("mine alone")
        nn.Sequential(Net())(torch.ones(1))
    """,
        [],
    ),
    "loss of None": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 3)
            def forward(self, x):
                self.fc(x)
        nn.functional.cross_entropy(Net()(torch.ones(1, 4)), torch.tensor([0]))
    """,
        ["--json"],
    ),
    "backward twice": (
        """
        loss = net(torch.ones(1, 4)).sum()
        loss.backward()
        loss.backward()
    """,
        ["--json"],
    ),
    "thread": (
        """
        def run():
            net(torch.ones(1, 5))
        threading.Thread(target=run, name="runner").start()
    """,
        [],
    ),
    "caught": (
        """
        for size in (4, 5, 4):
            try:
                net(torch.ones(1, size))
            except RuntimeError:
                print("went on")
    """,
        ["--json"],
    ),
    "worker": (
        """
        class Data(torch.utils.data.Dataset):
            def __len__(self):
                return 2
            def __getitem__(self, index):
                return net(torch.ones(5))
        list(torch.utils.data.DataLoader(Data(), num_workers=1))
    """,
        [],
    ),
    "worker that is well": (
        """
        class Data(torch.utils.data.Dataset):
            def __len__(self):
                return 2
            def __getitem__(self, index):
                return net(torch.ones(4)).detach()
        list(torch.utils.data.DataLoader(Data(), num_workers=1))
        print("done")
    """,
        [],
    ),
    "prints": (
        """
        print("to stdout")
        os.system("echo from a child")
        print("to stderr", file=sys.stderr)
        net(torch.ones(1, 4))
    """,
        ["--json"],
    ),
    "closes stdout": ("net(torch.ones(1, 4))\nsys.stdout.close()", []),
    "syntax": ("def broken(:", []),
    "no network": ("print('nothing to see')", []),
    "pickles": (
        """
        class Net(nn.Sequential):
            pass
        torch.save(Net(net), "net.pt")
        torch.load("net.pt", weights_only=False)(torch.ones(1, 4))
    """,
        [],
    ),
    "torchvision": (
        """
        import torchvision
        model = torchvision.models.resnet18(weights=None)
        model.layer3[0].conv2 = nn.Conv2d(255, 256, 3, padding=1)
        model(torch.ones(1, 3, 64, 64))
    """,
        ["--depth", "1"],
    ),
}


def source(body: str) -> str:
    lines = body.splitlines()
    return HEAD + "\n".join(line.removeprefix(" " * 8) for line in lines) + "\n"


# Commands that run no file: their arguments.
MODULE = ["-m", "package.train", "--lr", "1"]
MISTAKES: dict[str, list[str]] = {
    "no program": [],
    "no such file": ["nowhere.py"],
    "no such module": ["-m", "nowhere"],
    "step 0": ["--step", "0", "x"],
    "depth x": ["--depth", "x", "x"],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Ended]:
    """Run all programs and commands of this module after one import of torch."""
    calls = {}
    for name, (body, options) in PROGRAMS.items():
        folder = tmp_path_factory.mktemp("program")
        put(folder / "below" / "program.py", source(body))
        put(folder / "below" / "helper.py", "NAME = 'found beside the program'")
        arguments = ["below/program.py", "--", "--lr", "0.1", "--", "--json"]
        calls[name] = _trace(folder, *options, *arguments)
    folder = tmp_path_factory.mktemp("module")
    put(folder / "package" / "train.py", source("print(sys.argv[1:], __package__)"))
    calls["module"] = _trace(folder, *MODULE)
    for name, arguments in MISTAKES.items():
        calls[name] = _trace(tmp_path_factory.mktemp("mistake"), *arguments)
    return dict(zip(calls, call(*calls.values()), strict=True))


def _trace(folder: Path, *arguments: str) -> Call:
    return command_line(folder, ["trace", *arguments], NO_COLOR="1")


def test_a_program_has_the_surroundings_that_python_provides(ran: Mapping[str, Ended]) -> None:
    done = ran["arguments"]
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "['below/program.py', '--lr', '0.1', '--', '--json'] __main__ True",
        "found beside the program True",
    ]
    assert "0 Linear  float32[1, 4] -> float32[1, 3]" in done.err


def test_the_failing_step_of_a_training_loop_is_shown(ran: Mapping[str, Ended]) -> None:
    done = ran["loop"]
    assert done.code == 1
    assert "Sequential, forward pass 6 of 6" in done.err
    assert "CrossEntropyLoss, forward pass" not in done.err  # it helps to train, and is no network
    assert "RuntimeError in 0 Linear, at `net(" in done.err
    traceback, _, explained = done.err.partition("\nMessage: ")
    assert traceback.rstrip().endswith("cannot be multiplied (2x5 and 4x3)")
    assert "broken-convnets show shape/" in explained


def test_another_step_can_be_chosen(ran: Mapping[str, Ended]) -> None:
    assert "forward pass 2 of 3" in ran["chosen step"].err
    assert "float32[2, 4] -> float32[2, 3]" in ran["chosen step"].err
    assert "Sequential ran 1 times: it has no pass 2" in ran["step that never comes"].err
    document = ran["step before the failure"].document
    assert document["networks"][0]["shown"] == 1
    assert not any(row["failed"] for row in document["networks"][0]["layers"])
    assert document["failure"]["layer"] == "0"


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("exit", 7, "float32[1, 4] -> float32[1, 3]"),
        ("exit with a sentence", 1, "no data"),
        ("own error", 1, "Mine: mine alone"),
        ("syntax", 1, "SyntaxError: "),
        ("no network", 0, "no network was called"),
        ("pickles", 0, "Net, forward pass 1 of 1"),
        ("closes stdout", 0, "Sequential, forward pass 1 of 1"),
        ("worker", 1, "run it with num_workers=0"),
        ("thread", 0, "pass 1 of Sequential raised RuntimeError: mat1 and mat2"),
        ("torchvision", 1, "layer3.0.conv2 Conv2d"),
    ],
)
def test_a_program_ends_as_it_does_without_trace(
    name: str, code: int, says: str, ran: Mapping[str, Ended]
) -> None:
    assert ran[name].code == code, ran[name].err
    assert says in ran[name].err
    assert "/harness/" not in ran[name].err
    assert "importlib" not in ran[name].err  # as frames of the recorder are called


def test_the_traceback_is_the_one_of_python(ran: Mapping[str, Ended], tmp_path: Path) -> None:
    put(tmp_path / "program.py", source(PROGRAMS["own error"][0]))
    plain = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    def places(text: str) -> list[str]:
        return re.findall(r"in (\S+)$", text, flags=re.MULTILINE)

    assert places(ran["own error"].err) == places(plain.stderr)
    assert ran["own error"].err.splitlines()[-1] == plain.stderr.splitlines()[-1]
    assert 'program.py", line ' in ran["own error"].err


def test_a_failure_outside_of_the_networks_comes_with_their_tables(
    ran: Mapping[str, Ended],
) -> None:
    document = ran["loss of None"].document
    assert document["failure"]["layer"] is None
    assert document["networks"][0]["complete"] is True
    assert document["failed"] is None
    assert document["suspect"]["type"] == "Net"
    twice = ran["backward twice"].document["failure"]
    assert twice["operator"].startswith("torch.Tensor.backward(float32[]")
    assert twice["expression"] == "loss.backward()"


def test_a_failure_is_explained_where_something_is_like_it(ran: Mapping[str, Ended]) -> None:
    matches = {match["id"]: match for match in ran["backward twice"].document["matches"]}
    assert matches["training/backward_twice"]["why"]
    assert "Message: " not in ran["own error"].err


def test_a_failure_that_a_program_catches_is_reported(ran: Mapping[str, Ended]) -> None:
    document = ran["caught"].document
    assert (document["exit_code"], document["failure"]) == (0, None)
    assert document["caught"]["network"]["shown"] == 2
    assert [row["failed"] for row in document["caught"]["network"]["layers"]] == [False, True]


def test_healthy_workers_run_as_usual(ran: Mapping[str, Ended]) -> None:
    assert (ran["worker that is well"].code, ran["worker that is well"].out) == (0, "done\n")


def test_only_the_document_goes_to_stdout(ran: Mapping[str, Ended]) -> None:
    done = ran["prints"]
    assert set(done.document) == {
        "schema",
        "command",
        "exit_code",
        "failure",
        "first_non_finite",
        "failed",
        "suspect",
        "caught",
        "networks",
        "notes",
        "matches",
    }
    for text in ("to stdout", "from a child", "to stderr"):
        assert f"{text}\n" in done.err
    assert done.document["schema"] == 2
    assert done.document["command"] == ["below/program.py", "--lr", "0.1", "--", "--json"]


def test_a_module_is_run_by_its_name(ran: Mapping[str, Ended]) -> None:
    done = ran["module"]
    assert (done.code, done.out) == (0, "['--lr', '1'] package\n"), done.err


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_command_line_exits_2(name: str, ran: Mapping[str, Ended]) -> None:
    assert (ran[name].code, ran[name].out) == (2, "")
    assert "error: " in ran[name].err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_program_that_never_ends_can_be_stopped_and_the_table_is_kept(
    number: int, code: int, tmp_path: Path
) -> None:
    stop = f"threading.Timer(0.5, os.kill, [os.getpid(), {number:d}]).start()"
    loop = f"net(torch.ones(2, 4))\n{stop}\nwhile True: net(torch.ones(1, 4))"
    put(tmp_path / "program.py", source(loop))
    (done,) = call(_trace(tmp_path, "program.py"))
    assert done.code == code, done.err
    assert "float32[1, 4] -> " in done.err
    assert "Traceback" not in done.err
