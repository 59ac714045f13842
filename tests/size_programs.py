"""Programs that fail by a wrong size, as sections of text files, and how each is judged."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.diagnosis import lines_around
from broken_convnets.commands.diagnose.edits import changed_lines
from broken_convnets.commands.diagnose.examine import examine_run
from broken_convnets.observe.user_program import UserProgram
from forks import answer

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.examine import ExaminedRun
    from broken_convnets.commands.diagnose.findings import Candidate, Finding

FOLDER = Path(__file__).parent / "diagnose" / "programs" / "sizes"
CAUSE = "# cause"  # marks the line that a finding must name
SECTION = re.compile(r"^#### (\w+) ?(\S*)\n", re.MULTILINE)
HEADER = """\
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
"""


@dataclass(frozen=True)
class Program:
    """A program, and the kinds of mistakes that are right for it; none if it is healthy."""

    name: str
    kinds: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Judged:
    """What was found: the kinds, the text of the cause's line, and whether a fix works.

    The cause is that of the finding, or where the first fix that works changes the program.
    """

    raised: str
    kinds: list[str]
    cause: str
    message: str
    is_fixed: bool
    failed: list[str]  # rules and parts of the recorder that raised an exception


def programs(name: str) -> list[Program]:
    """Return the programs of a file: sections `#### name kind|kind`."""
    parts = SECTION.split((FOLDER / f"{name}.txt").read_text(encoding="utf-8"))[1:]
    return [
        Program(title, tuple(filter(None, kinds.split("|"))), HEADER + text)
        for title, kinds, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    ]


def judge(folder: Path, found: list[Program]) -> dict[str, Judged]:
    """Diagnose programs in a process of their own, and try their candidates in order."""
    for program in found:
        (folder / f"{program.name}.py").write_text(program.text, encoding="utf-8")
    facts = answer("size_programs:judge_here", folder)
    return {name: Judged(**one) for name, one in facts.items()}


def judge_here() -> dict[str, dict[str, object]]:
    """Return what is found in each program of the working directory."""
    return {path.stem: asdict(_judged(path)) for path in sorted(Path.cwd().glob("*.py"))}


def _judged(path: Path) -> Judged:
    program = UserProgram(str(path))
    run = examine_run(program)
    findings = run.findings.sorted()
    failed = [one.why for one in run.findings.not_checked if "check failed" in one.why]
    first = findings[0] if findings else None
    fix = _first_fix(program, first) if first else None
    return Judged(
        raised=run.raised,
        kinds=[finding.kind for finding in findings],
        cause=_cause(path, first, fix) if first else "",
        message=first.message if first else "",
        is_fixed=fix is not None,
        failed=failed + run.evidence.record.problems,
    )


def _first_fix(program: UserProgram, finding: Finding) -> Candidate | None:
    for candidate in sorted(finding.candidates, key=lambda one: one.rank):
        if _is_clean(examine_run(program, candidate.patch)):
            return candidate
    return None


def _is_clean(run: ExaminedRun) -> bool:
    return not run.raised and not run.findings.found


def _cause(path: Path, finding: Finding, fix: Candidate | None) -> str:
    text = path.read_text(encoding="utf-8")
    line = finding.cause.line if finding.cause else 0
    if fix is not None:
        new = fix.patch[str(path)]
        lines = changed_lines(text, new)
        line = line if line in lines_around(lines, text, new) else min(lines)
    return text.splitlines()[line - 1]
