"""Read one run of a SARIF log: assign its results to programs and convert them to findings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from broken_convnets.commands.score.programs.patch import unified_diff
from broken_convnets.commands.score.programs.workspace import file_name
from broken_convnets.commands.score.protocol.messages import (
    Finding,
    Location,
    LocationRole,
    Severity,
)
from broken_convnets.commands.score.protocol.validation import TEXT_LIMIT
from broken_convnets.commands.score.sarif.edits import EditError, apply_replacements
from broken_convnets.commands.score.sarif.log import SarifMessage, SarifRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.commands.score.sarif.log import (
        ArtifactLocation,
        Notification,
        Region,
        SarifLocation,
        SarifResult,
        SarifRun,
    )

NAME_LIMIT = 200  # characters
RESULTS_LIMIT = 500  # per program
PLACEHOLDER = re.compile(r"\{(\d{1,3})\}")
LEVELS = {"error": Severity.ERROR, "warning": Severity.WARNING}
MODULE_KINDS = {None, "module", "object"}  # of logical locations that can be a module path
NOT_SUPPRESSED = {"underReview", "rejected"}  # states of a suppression that has no effect


class RunReader:
    """One run. `named` are the programs that it names, `results` its results by program."""

    def __init__(self, run: SarifRun, files: dict[str, str], kinds: Mapping[str, str]) -> None:
        """Assign the results to programs; `files` maps file names to program ids.

        `kinds` maps rule ids to kinds, for results without a kind of their own.
        """
        self._files = files
        self._kinds = kinds
        self._run = run
        self._rules = {rule.id: rule for rule in run.tool.driver.rules or ()}
        artifacts = (item.location for item in run.artifacts or () if item.location)
        self.named = {name for item in artifacts if (name := self._program_at(item))}
        self.results: dict[str, list[SarifResult]] = {}
        self._assign_results()
        failures = [item for item in run.invocations or () if not item.execution_successful]
        self.failed = bool(failures)
        notes = [note for item in failures for note in item.tool_execution_notifications or ()]
        self._errors = [note for note in notes if note.level == "error"]
        self._failed_programs = {
            name for note in self._errors if (name := self._program_of(note.locations))
        }
        self.named |= self._failed_programs

    def _assign_results(self) -> None:
        only = next(iter(self.named)) if len(self.named) == 1 else None
        for result in self._run.results or ():
            name = self._program_of(_all_locations(result)) or only
            if name:
                self.named.add(name)
                assigned = self.results.setdefault(name, [])
                if len(assigned) < RESULTS_LIMIT and not _hidden(result):
                    assigned.append(result)

    def failed_on(self, program: CorpusProgram, named: set[str]) -> bool:
        """Return whether the log says that the tool failed on a program.

        A failure that names no program applies to all programs of its run, and to those that
        no run names. `named` are the programs that any run names.
        """
        if not self.failed or self._failed_programs:
            return program.id in self._failed_programs
        return program.id in self.named or program.id not in named

    def failure(self, program: CorpusProgram) -> str:
        """Return why the tool failed."""
        own = [note for note in self._errors if self._program_of(note.locations) == program.id]
        notes: list[Notification] = [*own, *self._errors]
        text = self.text(notes[0].message, None) if notes else ""
        return text or "executionSuccessful is false, without a reason"

    def finding(self, result: SarifResult, program: CorpusProgram) -> Finding | None:
        """Return a result as a finding, or None if it reports no problem."""
        if result.kind in {"pass", "notApplicable"}:
            return None
        rule = self._rule(result)
        properties = result.properties or {}
        rule_id = _name(result.rule_id or rule.id)
        return Finding(
            message=self.text(result.message, rule),
            kind=_name(properties.get("kind")) or self._kinds.get(rule_id, "other"),
            severity=_severity(result, rule),
            rule=rule_id,
            location=_location(self._region(result, program), program, properties),
            module=_module(result),
            fix=self._fix(result, program),
        )

    def text(self, message: SarifMessage, rule: SarifRule | None) -> str:
        """Return a message, from the message strings of the rule if it has only an id."""
        text = message.text or message.markdown
        if text is None and rule and rule.message_strings and message.id:
            template = rule.message_strings.get(message.id, SarifMessage()).text or ""
            arguments = dict(enumerate(message.arguments or ()))
            text = PLACEHOLDER.sub(
                lambda match: arguments.get(int(match[1]), match[0])[:NAME_LIMIT],
                template[:TEXT_LIMIT],
            )
        return text or message.id or ""

    def _program_at(self, location: ArtifactLocation) -> str | None:
        artifacts = self._run.artifacts or []
        if not location.uri and 0 <= location.index < len(artifacts):
            location = artifacts[location.index].location or location
        path = unquote(location.uri).partition("#")[0].replace("\\", "/")
        return self._files.get(path.rpartition("/")[2])

    def _program_of(self, locations: Iterable[SarifLocation] | None) -> str | None:
        """Return the first program that the locations name."""
        files = (
            item.physical_location.artifact_location
            for item in locations or ()
            if item.physical_location
        )
        return next((name for file in files if file and (name := self._program_at(file))), None)

    def _region(self, result: SarifResult, program: CorpusProgram) -> Region | None:
        for item in _all_locations(result):
            if self._program_of([item]) == program.id and item.physical_location:
                return item.physical_location.region
        return None

    def _rule(self, result: SarifResult) -> SarifRule:
        reference = result.rule
        index = max(result.rule_index, reference.index if reference else -1)
        rules = self._run.tool.driver.rules or []
        if 0 <= index < len(rules):
            return rules[index]
        name = result.rule_id or (reference.id if reference else None) or ""
        return self._rules.get(name, SarifRule(name))

    def _fix(self, result: SarifResult, program: CorpusProgram) -> str | None:
        """Return, as a diff, the first valid fix that changes this program only."""
        for fix in result.fixes or ():
            files = {self._program_at(change.artifact_location) for change in fix.artifact_changes}
            if files != {program.id}:
                continue
            parts = [part for change in fix.artifact_changes for part in change.replacements]
            try:
                new = apply_replacements(program.source, parts)
            except EditError:
                continue
            return unified_diff(program.source, new, file_name(program.id)) or None
        return None


def _all_locations(result: SarifResult) -> list[SarifLocation]:
    return [*(result.locations or []), *(result.related_locations or [])]


def _severity(result: SarifResult, rule: SarifRule) -> Severity:
    if result.kind != "fail":
        return Severity.NOTE
    default = rule.default_configuration.level if rule.default_configuration else "warning"
    return LEVELS.get(result.level or default, Severity.NOTE)


def _location(
    region: Region | None, program: CorpusProgram, properties: dict[str, Any]
) -> Location | None:
    """Return a location inside the program; it claims to be a cause unless it says otherwise."""
    if region is None or region.start_line is None:
        return None
    if region.start_line > len(program.source.splitlines()):
        return None
    symptom = properties.get("role") == LocationRole.SYMPTOM
    role = LocationRole.SYMPTOM if symptom else LocationRole.CAUSE
    return Location(region.start_line, role, region.end_line, region.start_column)


def _module(result: SarifResult) -> str | None:
    names = [
        logical.fully_qualified_name
        for item in result.locations or ()
        for logical in item.logical_locations or ()
        if logical.kind in MODULE_KINDS
    ]
    return next((_name(name) for name in names if name), None)


def _hidden(result: SarifResult) -> bool:
    states = [item.status for item in result.suppressions or ()]
    suppressed = any(state not in NOT_SUPPRESSED for state in states)
    return suppressed or result.baseline_state == "absent"


def _name(value: object) -> str:
    return value[:NAME_LIMIT] if isinstance(value, str) else ""
