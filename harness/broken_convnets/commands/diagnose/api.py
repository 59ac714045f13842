"""Diagnose code from Python, as `diagnose(net, images)` or `with diagnose():`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Self

from torch import nn

from broken_convnets.commands.diagnose.diagnosis import Diagnosis
from broken_convnets.commands.diagnose.evidence import Evidence
from broken_convnets.commands.diagnose.findings import NotChecked, Severity
from broken_convnets.commands.diagnose.registry import apply_rules
from broken_convnets.commands.diagnose.repair import FIXES, unverified
from broken_convnets.commands.diagnose.report import report_lines
from broken_convnets.commands.diagnose.similar import add_similar_cases
from broken_convnets.observe.failure import failure
from broken_convnets.observe.recorder import Options, Recorder
from broken_convnets.observe.recorder.passes import module_path
from broken_convnets.util import terminal

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.findings import Finding

UNVERIFIED = "code inside a running program cannot be run again; the command verifies fixes"


def diagnose(net: nn.Module | None = None, /, *inputs: Any, **keywords: Any) -> CodeDiagnosis:
    """Run code under the recorder, and say what is wrong with it, where, and how to fix it.

    With a network it runs one forward pass, `net(*inputs, **keywords)`, and returns the finished
    diagnosis: what the network returned is its `output`, what it raised is its `error`, and
    nothing is raised or printed. Without, it returns a context manager for whatever runs inside;
    at the end it prints the report to stderr, and an exception passes through.

    Outputs and random numbers do not change. Fixes are shown, not verified. Raises TypeError if
    `net` is not a module.
    """
    if not isinstance(net, nn.Module) and (net is not None or inputs or keywords):
        message = f"the first argument must be a network, an nn.Module, not {type(net).__name__}"
        raise TypeError(message)
    found = CodeDiagnosis(quiet=net is not None)
    if net is not None:
        found.run(net, inputs, keywords)
    return found


class CodeDiagnosis(AbstractContextManager["CodeDiagnosis"]):
    """What is wrong with the code that ran: `findings`, best first, and the rest of the report.

    `str` returns the report. With `quiet` nothing is printed.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        """Start with nothing recorded."""
        self.output: Any = None
        self.error: BaseException | None = None
        self.diagnosis = Diagnosis([])
        self._quiet = quiet
        self.recorder = Recorder(Options.everything())

    @property
    def findings(self) -> list[Finding]:
        """What is wrong, errors first, the most certain first."""
        return self.diagnosis.findings

    @property
    def errors(self) -> list[Finding]:
        """The findings of severity error."""
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]

    def run(self, net: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Run one forward pass, and keep what it returns or raises."""
        try:
            with self:
                self.output = net(*inputs, **keywords)
        except Exception:  # noqa: BLE001  (it is in `error`)
            return

    def __enter__(self) -> Self:
        """Begin to record."""
        self.recorder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        """Stop recording, judge, and print the report."""
        self.recorder.__exit__(kind, error, trace)
        self.conclude(error)

    def conclude(self, error: BaseException | None) -> None:
        """Judge what was recorded; `error` is what ended the code, if anything did."""
        self.error = error
        self.diagnosis = _diagnosis(Evidence(self.recorder.record, error, partial=True))
        if not self._quiet:
            console = terminal.console(stderr=True)
            for text, style in self.lines():
                console.print(text, style=style or None, markup=False, soft_wrap=True)
            sys.stderr.flush()

    def lines(self) -> list[tuple[str, str]]:
        """Return the report as lines, each with its style; Python prints the traceback."""
        return list(report_lines(self.diagnosis, traceback=False))

    def __str__(self) -> str:
        """Return the report as text."""
        return "\n".join(text for text, _ in self.lines())


def _diagnosis(evidence: Evidence) -> Diagnosis:
    error, record = evidence.error, evidence.record
    findings = apply_rules(evidence)
    found = Diagnosis(
        findings=findings.sorted(),
        checked=findings.checked,
        not_checked=findings.not_checked,
        failure=failure(error, module_path(error), None, record) if error else None,
    )
    found.fixes = {one.identity: unverified(one) for one in found.findings if one.candidates}
    if found.fixes:
        found.not_checked.append(NotChecked(FIXES, UNVERIFIED))
    add_similar_cases(found)
    return found
