"""Run a program once under the recorder, and apply every rule to what it did."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.evidence import Evidence
from broken_convnets.commands.diagnose.os_exit import before_os_exit
from broken_convnets.commands.diagnose.overlay import overlaid
from broken_convnets.commands.diagnose.registry import apply_rules
from broken_convnets.observe.recorder import Options, Recorder
from broken_convnets.observe.user_program import exit_code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broken_convnets.commands.diagnose.findings import Findings
    from broken_convnets.observe.user_program import UserProgram


@dataclass(frozen=True)
class ExaminedRun:
    """One run: what was recorded, what the rules found, and how the program ended."""

    evidence: Evidence
    findings: Findings
    exit_code: int
    interrupted: bool = False  # by Ctrl-C or SIGTERM

    @property
    def raised(self) -> str:
        """The exception that left the program, in a line; empty if none did."""
        error = self.evidence.error
        return "" if error is None else f"{type(error).__name__}: {error}"


def examine_run(
    program: UserProgram,
    texts: Mapping[str, str] | None = None,
    on_os_exit: Callable[[ExaminedRun], int] | None = None,
) -> ExaminedRun:
    """Run `program`, with the text of some files replaced, and judge what it did.

    Nothing that the program raises leaves this function. If the program calls `os._exit`, this
    function never returns: `on_os_exit` is called instead, and returns the exit code.
    """
    recorder = Recorder(Options.everything())
    error: BaseException | None = None
    code, interrupted = 0, False

    def judged() -> ExaminedRun:
        evidence = Evidence(recorder.record, error, texts=dict(texts or {}))
        return ExaminedRun(evidence, apply_rules(evidence), code, interrupted)

    def finish(status: int) -> int:
        nonlocal code
        code = status
        recorder.abandon()
        return on_os_exit(judged()) if on_os_exit else status

    try:
        with ExitStack() as stack:
            stack.enter_context(overlaid(texts or {}))
            stack.enter_context(before_os_exit(finish))
            stack.enter_context(recorder)
            program.run(texts)
    except SystemExit as end:
        code = exit_code(end)
        interrupted = code == 128 + signal.SIGTERM  # our handler of SIGTERM raises it
    except KeyboardInterrupt:
        code, interrupted = 128 + signal.SIGINT, True
    except BaseException as raised:  # noqa: BLE001  (it is the program's)
        error, code = raised, 1
    return judged()
