"""Diagnose the programs of a test in one process of their own, and try their first candidates."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.examine import examine_run
from broken_convnets.observe.user_program import UserProgram

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broken_convnets.commands.diagnose.examine import ExaminedRun

CAUSE = "# cause"  # marks the line that a finding must name
HEADER = """\
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
images, labels = torch.randn(16, 3, 6, 6), torch.randint(0, 4, (16,))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.norm = nn.BatchNorm2d(5)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(5 * 4 * 4, 4)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        return self.head(self.drop(x.flatten(1)))


"""


@dataclass(frozen=True)
class Judged:
    """What was found in one program: `rules` maps each to the text of the line that it names.

    `kinds` are those of the findings. `fixed` are the rules whose first candidate made the
    program run without any finding.
    """

    raised: str
    rules: dict[str, str]
    kinds: dict[str, str]
    fixed: list[str]
    failed: list[str]  # rules and parts of the recorder that raised an exception

    def assert_cause_and_fix(self, rule: str, kind: str) -> None:
        """Assert that a program that raises has one finding, at the marked line, and a fix."""
        assert self.raised, self
        assert not self.failed, self
        assert self.kinds == {rule: kind}, self
        assert CAUSE in self.rules[rule], self
        assert self.fixed == [rule], self

    def assert_clean(self) -> None:
        """Assert that a program ends without an exception and without a finding."""
        assert not self.raised, self
        assert not self.failed, self
        assert self.rules == {}, self


def judge(folder: Path, programs: Mapping[str, str]) -> dict[str, Judged]:
    """Return what is found in each program; each is appended to HEADER, and runs in `folder`."""
    for name, text in programs.items():
        (folder / f"{name}.py").write_text(HEADER + text, encoding="utf-8")
    command = [sys.executable, __file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    return {name: Judged(**answer) for name, answer in answers.items()}


def _answer(program: UserProgram) -> dict[str, object]:
    run = examine_run(program)
    lines = Path(program.name).read_text(encoding="utf-8").splitlines()
    found = run.findings.found
    failed = [one.why for one in run.findings.not_checked if "check failed" in one.why]
    return {
        "raised": run.raised,
        "rules": {f.rule: lines[f.cause.line - 1] if f.cause else "" for f in found},
        "kinds": {f.rule: f.kind for f in found},
        "fixed": [
            f.rule
            for f in found
            if f.candidates and _is_clean(examine_run(program, f.candidates[0].patch))
        ],
        "failed": failed + run.evidence.record.problems,
    }


def _is_clean(run: ExaminedRun) -> bool:
    return not run.raised and not run.findings.found


if __name__ == "__main__":
    paths = sorted(Path(sys.argv[1]).glob("*.py"))
    print(json.dumps({path.stem: _answer(UserProgram(str(path))) for path in paths}))
