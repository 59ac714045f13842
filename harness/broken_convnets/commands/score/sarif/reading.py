"""What a SARIF log says of programs, as diagnoses.

A result belongs to the program whose file it names; a finding is an alarm at level "error".
Where the log names a program and has no result for it, the tool finds nothing wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from broken_convnets.commands.score.patch import difference
from broken_convnets.commands.score.protocol import (
    TEXT_LIMIT,
    Diagnosis,
    Finding,
    Role,
    Severity,
    Status,
    checked,
    failed,
)
from broken_convnets.commands.score.protocol import Location as Place
from broken_convnets.commands.score.sarif.edits import EditError, edited
from broken_convnets.commands.score.sarif.log import (
    Driver,
    Location,
    Message,
    Region,
    Result,
    Rule,
    Run,
    load,
)
from broken_convnets.commands.score.workspace import file_name
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from broken_convnets.commands.score.programs import Program
    from broken_convnets.commands.score.sarif.log import ArtifactLocation, Notification

SHORT = 200  # characters of a name
RESULTS = 500  # about one program that are read
PLACEHOLDER = re.compile(r"\{(\d{1,3})\}")
RANKS = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
LEVELS = {"error": Severity.ERROR, "warning": Severity.WARNING}
LAYERS = {None, "module", "object"}  # kinds of names that can be a path of modules
HIDDEN = {"underReview", "rejected"}  # suppressions that are none, or none yet


def read(path: Path, programs: Sequence[Program]) -> dict[str, Diagnosis]:
    """Return what a log says of each program, by id.

    Raises UsageError where the file is no SARIF 2.1.0 log, or names none of the programs.
    """
    files = {file_name(program.id): program.id for program in programs}
    read_runs = (_Reader(run, files) for run in load(path).runs or ())
    runs = [run for run in read_runs if run.named or run.broken]
    named = {name for run in runs for name in run.named}
    if not named:
        message = (
            f"{path} names none of the programs, which are called like "
            f"{file_name(programs[0].id) if programs else file_name('…')}: let the tool read what "
            "`broken-convnets programs` writes with the same --seed, and list the files that "
            "it read among the artifacts of the log"
        )
        raise UsageError(message)
    return {program.id: _diagnosis(program, runs, named) for program in programs}


def _diagnosis(program: Program, runs: list[_Reader], named: set[str]) -> Diagnosis:
    failure = next((run.failure(program) for run in runs if run.failed(program, named)), None)
    if failure is not None:
        return failed(failure)
    results = [(run, result) for run in runs for result in run.results.get(program.id, [])]
    findings = [
        (RANKS[found.severity], -result.rank, found)
        for run, result in results
        if (found := run.finding(result, program))
    ]
    ordered = [found for *_, found in sorted(findings, key=lambda item: item[:2])]
    excuses = [
        run.text(result.message, None) for run, result in results if result.kind == "notApplicable"
    ]
    if any(found.severity is Severity.ERROR for found in ordered):
        return checked(Diagnosis(Status.FLAGGED, ordered))
    if excuses:
        return checked(Diagnosis(Status.UNSUPPORTED, ordered, excuses[0]))
    return checked(Diagnosis(Status.CLEAN, ordered))


class _Reader:
    """One run, with its results by program."""

    def __init__(self, run: Run, files: dict[str, str]) -> None:
        self._files = files
        self._run = run
        self._rules = _rules(run.tool.driver)
        read_files = (item.location for item in run.artifacts or () if item.location)
        self.named = {name for item in read_files if (name := self._program(item))}
        only = next(iter(self.named)) if len(self.named) == 1 else None
        self.results: dict[str, list[Result]] = {}
        for result in run.results or ():
            name = self._about(_locations(result)) or only
            if name:
                self.named.add(name)
                kept = self.results.setdefault(name, [])
                if len(kept) < RESULTS and not _hidden(result):
                    kept.append(result)
        broken = [item for item in run.invocations or () if not item.execution_successful]
        self.broken = bool(broken)
        notes = [note for item in broken for note in item.tool_execution_notifications or ()]
        self._notes = [note for note in notes if note.level == "error"]
        self._blamed = {name for note in self._notes if (name := self._about(note.locations))}
        self.named |= self._blamed

    def failed(self, program: Program, named: set[str]) -> bool:
        """Return whether the tool failed at a program, by its own word.

        A failure that blames no program is about those of its run, and those of no run.
        """
        if not self.broken or self._blamed:
            return program.id in self._blamed
        return program.id in self.named or program.id not in named

    def failure(self, program: Program) -> str:
        """Return why the tool failed."""
        own = [note for note in self._notes if self._about(note.locations) == program.id]
        notes: list[Notification] = [*own, *self._notes]
        said = self.text(notes[0].message, None) if notes else ""
        return said or "executionSuccessful is false, without a reason"

    def finding(self, result: Result, program: Program) -> Finding | None:
        """Return what a result says; None where it says that nothing is wrong."""
        if result.kind in {"pass", "notApplicable"}:
            return None
        rule = self._rule(result)
        place = self._place(result, program)
        properties = result.properties or {}
        return Finding(
            message=self.text(result.message, rule),
            kind=_name(properties.get("kind")) or "other",
            severity=_severity(result, rule),
            rule=_name(result.rule_id or rule.id),
            location=_location(place, program, properties),
            module=_module(result),
            fix=self._fix(result, program),
        )

    def text(self, message: Message, rule: Rule | None) -> str:
        """Return a message, as far as the log has its text."""
        text = message.text or message.markdown
        if text is None and rule and rule.message_strings and message.id:
            known = rule.message_strings.get(message.id, Message()).text or ""
            given = dict(enumerate(message.arguments or ()))
            text = PLACEHOLDER.sub(
                lambda found: given.get(int(found[1]), found[0])[:SHORT], known[:TEXT_LIMIT]
            )
        return text or message.id or ""

    def _program(self, location: ArtifactLocation) -> str | None:
        artifacts = self._run.artifacts or []
        if not location.uri and 0 <= location.index < len(artifacts):
            location = artifacts[location.index].location or location
        path = unquote(location.uri).partition("#")[0].replace("\\", "/")
        return self._files.get(path.rpartition("/")[2])

    def _about(self, locations: Iterable[Location] | None) -> str | None:
        """Return the first program that locations name."""
        files = (
            item.physical_location.artifact_location
            for item in locations or ()
            if item.physical_location
        )
        return next((name for file in files if file and (name := self._program(file))), None)

    def _place(self, result: Result, program: Program) -> Region | None:
        for item in _locations(result):
            if self._about([item]) == program.id and item.physical_location:
                return item.physical_location.region
        return None

    def _rule(self, result: Result) -> Rule:
        reference = result.rule
        index = max(result.rule_index, reference.index if reference else -1)
        rules = self._run.tool.driver.rules or []
        if 0 <= index < len(rules):
            return rules[index]
        name = result.rule_id or (reference.id if reference else None) or ""
        return self._rules.get(name, Rule(name))

    def _fix(self, result: Result, program: Program) -> str | None:
        """Return the first fix that changes this program alone and can be made, as a diff."""
        for fix in result.fixes or ():
            files = {self._program(change.artifact_location) for change in fix.artifact_changes}
            if files != {program.id}:
                continue
            parts = [part for change in fix.artifact_changes for part in change.replacements]
            try:
                new = edited(program.source, parts)
            except EditError:
                continue
            return difference(program.source, new, file_name(program.id)) or None
        return None


def _rules(driver: Driver) -> dict[str, Rule]:
    return {rule.id: rule for rule in driver.rules or ()}


def _locations(result: Result) -> list[Location]:
    return [*(result.locations or []), *(result.related_locations or [])]


def _severity(result: Result, rule: Rule) -> Severity:
    if result.kind != "fail":
        return Severity.NOTE
    default = rule.default_configuration.level if rule.default_configuration else "warning"
    return LEVELS.get(result.level or default, Severity.NOTE)


def _location(place: Region | None, program: Program, properties: dict[str, Any]) -> Place | None:
    """Return a place that the program has; without a claim of its own it is the line to change."""
    if place is None or place.start_line is None:
        return None
    if place.start_line > len(program.source.splitlines()):
        return None
    role = Role.SYMPTOM if properties.get("role") == Role.SYMPTOM else Role.CAUSE
    return Place(place.start_line, role, place.end_line, place.start_column)


def _module(result: Result) -> str | None:
    names = [
        logical.fully_qualified_name
        for item in result.locations or ()
        for logical in item.logical_locations or ()
        if logical.kind in LAYERS
    ]
    return next((_name(name) for name in names if name), None)


def _hidden(result: Result) -> bool:
    suppressed = [item for item in result.suppressions or () if item.status not in HIDDEN]
    return bool(suppressed) or result.baseline_state == "absent"


def _name(value: object) -> str:
    return value[:SHORT] if isinstance(value, str) else ""
