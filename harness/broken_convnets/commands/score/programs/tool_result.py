"""The result of running a tool on one program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.commands.score.programs.edit import Edit
    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.commands.score.protocol.messages import Diagnosis


@dataclass(frozen=True)
class ToolResult:
    """A tool's diagnosis of one program.

    `fix_works` says whether the program obeys the laws with the tool's first fix applied; None
    if the tool offered no fix. `edit` compares the fix with the true one; None if there is none or
    it does not apply.
    """

    program: CorpusProgram
    diagnosis: Diagnosis
    seconds: float
    fix_works: bool | None = None
    edit: Edit | None = None
