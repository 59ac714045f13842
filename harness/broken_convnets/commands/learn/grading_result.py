"""The result of grading a learner's program, and the violations in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.learn.checks import APPLIES_HERE, CONTRACT, SAME_PARAMETERS, Check
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Case
    from broken_convnets.observe.facts import Observation
    from broken_convnets.sandbox.job import JobResult

# A learner's fix may violate these, unless the case is about it.
ADVISORY = {str(Law.EXPORTS), SAME_PARAMETERS.name}


class Violation(Struct, frozen=True):
    """A law or check that a program violates: the rule, what is wrong, and what was observed."""

    law: str
    description: str
    violation: str
    note: str


class GradingResult(Struct, frozen=True):
    """The outcome of grading a learner's program."""

    id: str
    solved: bool
    failure: str = ""  # how it raised, timed out or crashed, on one line
    traceback: str = ""
    violations: list[Violation] = []
    advice: list[Violation] = []  # violations that do not prevent `solved`
    restored: list[str] = []  # definitions for which the original was graded
    printed: str = ""
    layers: list[str] = []  # the layer trace


def not_applicable(release: str) -> Violation:
    """Return the violation for a case that does not apply to this release of torch."""
    return violates(APPLIES_HERE, f"does not apply to torch {release}; skip to the next case")


def refused(case: Case, sentences: list[str]) -> GradingResult:
    """Return the result for a program that violates the contract, which is not run."""
    return GradingResult(
        case.id, solved=False, violations=[violates(CONTRACT, text) for text in sentences]
    )


def violates(rule: Law | Check, note: str) -> Violation:
    """Return the violation of a law or check; `note` says what was observed."""
    return Violation(str(rule), rule.description, rule.violation, note)


def is_advice(case: Case, violation: Violation) -> bool:
    """Return whether a fix may be right in spite of this violation."""
    return violation.law in ADVISORY - set(map(str, case.spec.broken.violates))


def failure(result: JobResult[Observation]) -> str:
    """Return in one line how a program failed; empty if it ran to its end."""
    seen = result.answer
    if seen is None:
        return f"{result.status}: {result.detail}"
    if seen.raised is None:
        return ""
    message = seen.raised.message.strip().partition("\n")[0]
    return f"{seen.raised.type}: {message}"
