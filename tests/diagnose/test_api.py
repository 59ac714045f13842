"""`broken_convnets.diagnose` in Python, in IPython, and as a fixture of pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import broken_convnets
import pytest
import torch
from broken_convnets.commands.diagnose.api import CodeDiagnosis
from torch import nn

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

CELLS = """
import sys
from typing import TYPE_CHECKING
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.colors = 'nocolor'
for cell in CELLS:
    shell.run_cell(cell, store_history=True)
"""
SETUP = """import torch
from torch import nn
net = nn.Linear(4, 3)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
%load_ext broken_convnets"""
TRAIN = """%%diagnose{name}
for _ in range(3):
    {zero_grad}
    net(torch.ones(2, 4)).square().sum().backward()
    optimizer.step()
print("trained")"""


def train(net: nn.Module, *, fresh: bool) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(3):
        if fresh:
            optimizer.zero_grad()
        net(torch.ones(2, 4)).square().sum().backward()
        optimizer.step()


def test_a_block_is_diagnosed_and_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    with broken_convnets.diagnose() as found:
        train(nn.Linear(4, 3), fresh=False)
    (finding,) = found.findings
    assert (finding.kind, finding.cause and finding.cause.file) == (
        "training/missing_zero_grad",
        __file__,
    )
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("at step 2, weight still holds") == 1
    assert "+        optimizer.zero_grad()" in printed.err
    assert "fix (not verified)" in printed.err


def test_a_healthy_block_has_no_finding(capsys: pytest.CaptureFixture[str]) -> None:
    with broken_convnets.diagnose() as found:
        train(nn.Linear(4, 3), fresh=True)
    assert found.findings == found.errors == []
    assert "nothing found" in capsys.readouterr().err


def test_an_exception_passes_through_and_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"), broken_convnets.diagnose():
        nn.Linear(4, 3)(torch.ones(2, 5))
    printed = capsys.readouterr().err
    assert printed.count("RuntimeError: mat1 and mat2 shapes cannot be multiplied") == 1
    assert "Traceback" not in printed  # Python prints it


def test_one_call_returns_output_or_error_and_prints_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    net = nn.Linear(4, 3)
    passed = broken_convnets.diagnose(net, torch.ones(2, 4))
    assert torch.equal(passed.output, net(torch.ones(2, 4)))
    assert (passed.error, passed.findings) == (None, [])
    failed = broken_convnets.diagnose(net, torch.ones(2, 5))
    assert isinstance(failed.error, RuntimeError)
    assert "mat1 and mat2" in str(failed)
    assert capsys.readouterr() == ("", "")


def test_the_first_argument_must_be_a_network() -> None:
    with pytest.raises(TypeError, match="must be a network"):
        broken_convnets.diagnose(torch.ones(2))


def test_part_of_a_program_is_not_blamed_for_what_the_rest_may_do() -> None:
    net = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with CodeDiagnosis(quiet=True) as found:
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.ones(2, 4)).square().sum().backward()
    assert found.errors == []
    assert any("only part of the program" in one.why for one in found.diagnosis.not_checked)


def _cells(folder: Path, *cells: str) -> str:
    code = CELLS.replace("CELLS", repr([SETUP, *cells]))
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "IPYTHONDIR": str(folder), "NO_COLOR": "1"},
    )
    return done.stdout


@pytest.mark.slow
def test_the_magic_reports_each_cell_and_keeps_a_diagnosis_on_request(tmp_path: Path) -> None:
    fresh = TRAIN.format(name=" kept", zero_grad="optimizer.zero_grad()")
    stale = TRAIN.format(name="", zero_grad="pass")
    raising = "%%diagnose\nnet(torch.ones(2, 5))"
    printed = _cells(tmp_path, stale, fresh, "print('kept:', kept.errors)", raising)
    assert printed.splitlines().count("trained") == 2
    assert re.search(
        r"^Cell In\[\d\]:4  error: the optimizer steps with gradients", printed, re.MULTILINE
    )
    assert printed.count("still holds the gradient") == 1
    assert "kept: []" in printed
    assert printed.count("Traceback (most recent call last)") == 1
    assert re.search(r"^Cell In\[\d\]:1  RuntimeError: mat1 and mat2", printed, re.MULTILINE)


def test_the_fixture_fails_a_test_with_a_finding(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest, torch
        from torch import nn

        @pytest.mark.parametrize("fresh", [True, False])
        def test_training(torch_diagnosis, fresh):
            net = nn.Linear(4, 3)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
            for _ in range(3):
                if fresh:
                    optimizer.zero_grad()
                net(torch.ones(2, 4)).square().sum().backward()
                optimizer.step()
        """
    )
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=2, errors=1)
    done.stdout.fnmatch_lines(["*still holds the gradient*"])
