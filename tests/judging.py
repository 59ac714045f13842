"""Diagnose the programs of a test in a process of their own, and try their first candidates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.edits import changed_lines
from broken_convnets.commands.diagnose.examine import examine_run
from broken_convnets.observe.user_program import UserProgram
from forks import answer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from broken_convnets.commands.diagnose.examine import ExaminedRun

TRIED = "tried.json"  # names of programs
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

    `kinds` and `severities` are those of the findings. `fixed` are the rules whose first candidate
    made the program run without any finding.
    """

    raised: str
    rules: dict[str, str]
    kinds: dict[str, str]
    fixed: list[str]
    changed: dict[str, str]  # the first line that the first candidate of a rule changes
    severities: dict[str, str]
    failed: list[str]  # rules and parts of the recorder that raised an exception

    def assert_cause(self, rule: str, kind: str) -> None:
        """Assert that a program that raises nothing has one finding, at the marked line."""
        assert not self.raised, self
        self._assert_one_finding(rule, kind)

    def assert_cause_and_fix(self, rule: str, kind: str) -> None:
        """Assert that a program that raises has one finding, at the marked line, and a fix."""
        assert self.raised, self
        self._assert_one_finding(rule, kind)
        self.assert_fix(rule)

    def assert_fix(self, rule: str) -> None:
        """Assert that the first candidate of this rule, and of no other one, is a fix."""
        assert self.fixed == [rule], self

    def assert_fix_at_cause(self, rule: str) -> None:
        """Assert that the first candidate of this rule alone is a fix, at the marked line."""
        self.assert_fix(rule)
        assert CAUSE in self.changed[rule], self

    def _assert_one_finding(self, rule: str, kind: str) -> None:
        assert not self.failed, self
        assert self.kinds == {rule: kind}, self
        assert CAUSE in self.rules[rule], self

    def assert_clean(self) -> None:
        """Assert that a program ends without an exception and without a finding."""
        assert not self.raised, self
        assert not self.failed, self
        assert self.rules == {}, self


def judge(
    folder: Path, programs: Mapping[str, str], tried: Collection[str] | None = None
) -> dict[str, Judged]:
    """Return what is found in each program; each is appended to HEADER.

    The first candidates are tried for the programs in `tried`, by default for all.
    """
    names = sorted(programs if tried is None else tried)
    (folder / TRIED).write_text(json.dumps(names), encoding="utf-8")
    for name, text in programs.items():
        (folder / f"{name}.py").write_text(HEADER + text, encoding="utf-8")
    found = answer("judging:judge_here", folder)
    return {name: Judged(**facts) for name, facts in found.items()}


def judge_here() -> dict[str, dict[str, object]]:
    """Return what is found in each program of the working directory."""
    paths, tried = sorted(Path.cwd().glob("*.py")), json.loads(Path(TRIED).read_text("utf-8"))
    return {path.stem: _answer(UserProgram(str(path)), path.stem in tried) for path in paths}


def _answer(program: UserProgram, tried: bool) -> dict[str, object]:  # noqa: FBT001  (one caller)
    run = examine_run(program)
    lines = Path(program.name).read_text(encoding="utf-8").splitlines()
    found = run.findings.found
    text = "\n".join(lines)
    failed = [one.why for one in run.findings.not_checked if "check failed" in one.why]
    return {
        "raised": run.raised,
        "rules": {f.rule: lines[f.cause.line - 1] if f.cause else "" for f in found},
        "kinds": {f.rule: f.kind for f in found},
        "fixed": [
            f.rule
            for f in found
            if tried and f.candidates and _is_clean(examine_run(program, f.candidates[0].patch))
        ],
        "changed": {
            f.rule: lines[min(changed_lines(text, *f.candidates[0].patch.values())) - 1]
            for f in found
            if f.candidates
        },
        "severities": {f.rule: f.severity.value for f in found},
        "failed": failed + run.evidence.record.problems,
    }


def _is_clean(run: ExaminedRun) -> bool:
    return not run.raised and not run.findings.found
