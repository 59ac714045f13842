"""Which rules there are, and how they are run: one that fails says so and breaks nothing."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import rules
from broken_convnets.commands.diagnose.findings import Findings, NotChecked
from broken_convnets.observe.recorder.removed_folders import restored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Finding

    Check = Callable[[Evidence], Iterable[Finding]]


PARTIAL = "only part of the program was recorded"


class NotApplicable(Exception):  # noqa: N818  (a fact about a run, not an error)
    """A rule cannot judge this run; the message says why, in a few words."""


class OtherRun(NotApplicable):
    """A rule is about runs of another kind, so that there is nothing to list for this one."""


@dataclass(frozen=True)
class Rule:
    """One property that a healthy program has. `stays_quiet` says when the rule does not judge.

    `whole_program` marks a rule about what never happens: it does not judge a part of a program.
    """

    name: str
    holds: str  # the property, as a sentence about a healthy program
    stays_quiet: str
    check: Check
    whole_program: bool = False

    @property
    def family(self) -> str:
        """What the rules of its folder are about, as the docstring of the folder says."""
        folder = self.check.__module__.rpartition(".")[0]
        return (sys.modules[folder].__doc__ or "").strip()


RULES: dict[str, Rule] = {}


def rule(holds: str, *, stays_quiet: str, whole_program: bool = False) -> Callable[[Check], Check]:
    """Register a function as the check of a property; its name is the rule's name."""

    def register(check: Check) -> Check:
        name = check.__name__
        RULES[name] = Rule(name, holds, stays_quiet, check, whole_program)
        return check

    return register


@cache  # the search for modules takes longer than most rules
def load_rules() -> None:
    """Import every module below `rules/`, which registers their rules."""
    for module in pkgutil.walk_packages(rules.__path__, f"{rules.__name__}."):
        importlib.import_module(module.name)


def apply_rules(evidence: Evidence) -> Findings:
    """Return what all rules find. A rule that raises is listed as not checked."""
    load_rules()
    with restored(evidence.record.folders.removed):
        return _apply(evidence)


def _apply(evidence: Evidence) -> Findings:
    findings = Findings()
    for one in RULES.values():
        if one.whole_program and evidence.partial:
            findings.not_checked.append(NotChecked(one.holds, PARTIAL))
            continue
        try:
            found = [replace(finding, rule=one.name) for finding in one.check(evidence)]
        except OtherRun:
            continue
        except NotApplicable as reason:
            findings.not_checked.append(NotChecked(one.holds, str(reason)))
        except Exception as error:  # noqa: BLE001  (one rule's fault must not cost the others)
            why = f"the check failed: {type(error).__name__}: {error}"
            findings.not_checked.append(NotChecked(one.holds, why))
        else:
            findings.found += found
            if not found:
                findings.checked.append(one.holds)
    findings.found = _distinct(findings)
    return findings


def _distinct(findings: Findings) -> list[Finding]:
    """Return the findings, of two rules that say the same of one line the one that is surer."""
    found: dict[object, Finding] = {}
    for finding in findings.sorted():
        place = finding.cause or finding.identity
        key = (finding.kind, place)
        former = found.setdefault(key, finding)
        if former.rule == finding.rule:
            found[finding.identity] = finding
    return list({id(finding): finding for finding in found.values()}.values())
