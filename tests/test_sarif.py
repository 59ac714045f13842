"""SARIF logs of various tools become diagnoses; an invalid log is rejected in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from broken_convnets.commands.score.programs.patch import apply_patch, unified_diff
from broken_convnets.commands.score.programs.program import CorpusProgram, corpus_programs
from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Severity,
    Status,
)
from broken_convnets.commands.score.sarif.log import SIZE_LIMIT
from broken_convnets.commands.score.sarif.reading import read_sarif
from broken_convnets.commands.score.sarif.writing import sarif_log, write_sarif
from broken_convnets.errors import UsageError
from kit import BROKEN, HEALTHY, Pair, Solo, case_of, control_of

KINDS = {"shape/flatten", "other"}
PROGRAMS = corpus_programs([(0, case_of(Pair())), (0, control_of(Solo()))], seed=3)
BROKEN_ONE = next(program for program in PROGRAMS if program.truth)
OTHERS = [program for program in PROGRAMS if program is not BROKEN_ONE]
NAME = f"net_{BROKEN_ONE.id}.py"
LINE = 1 + BROKEN.splitlines().index("        return self.fc(torch.flatten(x, 2))")
SCHEMA = json.loads((Path(__file__).parent / "data/sarif_written.schema.json").read_text())


def _at(uri: str = NAME, **region: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    return {"physicalLocation": place | ({"region": region} if region else {})}


def _result(*locations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"message": {"text": "wrong"}, "level": "error", "locations": [*locations]} | more


def _run(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"tool": {"driver": {"name": "t"}}, "results": [*results]} | more


def _read(folder: Path, *runs: dict[str, Any]) -> dict[str, Diagnosis]:
    path = folder / "log.sarif"
    path.write_text(json.dumps({"version": "2.1.0", "runs": [*runs]}))
    return read_sarif(path, PROGRAMS, KINDS)


def _one(folder: Path, *runs: dict[str, Any]) -> Diagnosis:
    return _read(folder, *runs)[BROKEN_ONE.id]


def test_a_result_is_a_finding_and_no_result_is_clean(tmp_path: Path) -> None:
    result = _result(
        _at(startLine=LINE, startColumn=9, endLine=LINE, endColumn=20)
        | {"logicalLocations": [{"fullyQualifiedName": "fc"}]},
        ruleId="F1",
        properties={"kind": "shape/flatten", "confidence": 0.9},
    )
    found = _read(tmp_path, _run(result))
    place = Location(LINE, LocationRole.CAUSE, LINE, 9)
    finding = Finding("wrong", "shape/flatten", Severity.ERROR, "F1", place, "fc")
    assert found[BROKEN_ONE.id] == Diagnosis(Status.FLAGGED, [finding])
    assert {program.id for program in PROGRAMS} == set(found)
    assert {found[program.id] for program in OTHERS if found[program.id].findings} == set()
    assert {found[program.id].status for program in OTHERS} == {Status.CLEAN}


@pytest.mark.parametrize(
    "uri",
    [
        NAME,
        f"./{BROKEN_ONE.id}/{NAME}",
        f"/home/a%20b/{NAME}",
        f"file:///C:/x/{NAME}#L3",
        f"C:\\work\\{NAME}",
        f"file://host/{NAME.replace('_', '%5F')}",
    ],
    ids=["name", "folder", "absolute", "URL", "Windows", "escaped"],  # NAME is drawn
)
def test_any_form_of_a_path_is_recognized(uri: str, tmp_path: Path) -> None:
    assert _one(tmp_path, _run(_result(_at(uri)))).status is Status.FLAGGED


def test_a_file_may_be_an_index_into_the_artifacts(tmp_path: Path) -> None:
    by_index = {"physicalLocation": {"artifactLocation": {"index": 1}}}
    artifacts = [{"location": {"uri": "x.py"}}, {"location": {"uri": NAME}}]
    assert _one(tmp_path, _run(_result(by_index), artifacts=artifacts)).status is Status.FLAGGED
    beyond = {"physicalLocation": {"artifactLocation": {"index": 9}}}
    run = _run(_result(beyond), artifacts=[*artifacts, *artifacts[1:]])
    assert len(_one(tmp_path, run).findings) == 1  # the run is about one program


def test_a_result_in_torch_belongs_to_its_related_program(tmp_path: Path) -> None:
    result = _result(
        _at("torch/nn/functional.py", startLine=2000), relatedLocations=[_at(startLine=LINE)]
    )
    (finding,) = _one(tmp_path, _run(result)).findings
    assert finding.location == Location(LINE, LocationRole.CAUSE)


@pytest.mark.parametrize(
    ("more", "status", "severity"),
    [
        ({"level": "error"}, Status.FLAGGED, Severity.ERROR),
        ({"level": "warning"}, Status.CLEAN, Severity.WARNING),
        ({"level": "note"}, Status.CLEAN, Severity.NOTE),
        ({"level": "none"}, Status.CLEAN, Severity.NOTE),
        ({"level": None}, Status.CLEAN, Severity.WARNING),
        ({"level": None, "ruleId": "loud"}, Status.FLAGGED, Severity.ERROR),
        ({"level": None, "ruleIndex": 0}, Status.FLAGGED, Severity.ERROR),
        ({"level": None, "rule": {"index": 0}}, Status.FLAGGED, Severity.ERROR),
        ({"kind": "review", "level": "error"}, Status.CLEAN, Severity.NOTE),
        ({"kind": "pass"}, Status.CLEAN, None),
        ({"kind": "notApplicable"}, Status.UNSUPPORTED, None),
        ({"suppressions": [{"kind": "inSource"}]}, Status.CLEAN, None),
        (
            {"suppressions": [{"kind": "external", "status": "rejected"}]},
            Status.FLAGGED,
            Severity.ERROR,
        ),
        ({"baselineState": "absent"}, Status.CLEAN, None),
    ],
)
def test_level_and_kind_determine_status_and_severity(
    more: dict[str, Any], status: Status, severity: Severity | None, tmp_path: Path
) -> None:
    rule = {"id": "loud", "defaultConfiguration": {"level": "error"}}
    run = _run(_result(_at()) | more, tool={"driver": {"name": "t", "rules": [rule]}})
    found = _one(tmp_path, run)
    assert found.status is status
    assert [finding.severity for finding in found.findings] == ([severity] if severity else [])
    assert found.reason == ("wrong" if status is Status.UNSUPPORTED else "")


def test_findings_are_sorted_by_severity_and_rank(tmp_path: Path) -> None:
    levels = [("note", 99), ("error", 10), ("warning", 5), ("error", 90)]
    results = [
        _result(_at(), level=level, rank=rank, ruleId=f"{level}{rank}") for level, rank in levels
    ]
    rules = [finding.rule for finding in _one(tmp_path, _run(*results)).findings]
    assert rules == ["error90", "error10", "warning5", "note99"]


def test_a_message_may_be_a_message_string_of_the_rule(tmp_path: Path) -> None:
    rule = {"id": "F1", "messageStrings": {"m": {"text": "{0} is not {1}, {2}"}}}
    message = {"id": "m", "arguments": ["{1}", "y"]}
    run = _run(
        _result(_at(), message=message, ruleId="F1"),
        tool={"driver": {"name": "t", "rules": [rule]}},
    )
    assert _one(tmp_path, run).findings[0].message == "{1} is not y, {2}"


@pytest.mark.parametrize(
    ("location", "place"),
    [
        (_at(), None),
        (_at(startLine=999_999), None),
        ({"physicalLocation": {"region": {"startLine": 3}}}, None),
        (_at(startLine=4), Location(4, LocationRole.CAUSE)),
    ],
)
def test_a_location_outside_of_the_program_is_omitted(
    location: dict[str, Any], place: Location | None, tmp_path: Path
) -> None:
    run = _run(_result(location), artifacts=[{"location": {"uri": NAME}}])
    assert _one(tmp_path, run).findings[0].location == place


def test_a_function_name_is_not_a_layer(tmp_path: Path) -> None:
    names = [{"fullyQualifiedName": "Net.forward", "kind": "function"}]
    result = _result(_at() | {"logicalLocations": names}, properties={"kind": 7, "role": []})
    (finding,) = _one(tmp_path, _run(result)).findings
    assert (finding.module, finding.kind) == (None, "other")


def test_an_unknown_kind_is_rejected(tmp_path: Path) -> None:
    result = _result(_at(), properties={"kind": "shape/flaten"})
    reason = rf"{NAME}, properties.kind: invalid diagnosis: unknown kind 'shape/flaten'; use a"
    with pytest.raises(UsageError, match=reason):
        _read(tmp_path, _run(result))


def _fix(*edits: tuple[dict[str, int], str | None], uri: str = NAME) -> dict[str, Any]:
    replacements = [
        {"deletedRegion": region} | ({} if text is None else {"insertedContent": {"text": text}})
        for region, text in edits
    ]
    change = {"artifactLocation": {"uri": uri}, "replacements": replacements}
    return {"artifactChanges": [change]}


TWO = {"startLine": LINE, "startColumn": 41, "endColumn": 42}
OFFSET = BROKEN.index("2))\n")


@pytest.mark.parametrize(
    "fix",
    [
        _fix((TWO, "1")),
        _fix(({"startLine": LINE}, "        return self.fc(torch.flatten(x, 1))")),
        _fix(
            (
                {"startLine": LINE, "startColumn": 1, "endLine": LINE + 1, "endColumn": 1},
                "        return self.fc(torch.flatten(x, 1))\n",
            )
        ),
        _fix(({"charOffset": OFFSET, "charLength": 1}, "1")),
        _fix((TWO, None), (TWO | {"endColumn": 41}, "1")),
    ],
)
def test_a_fix_becomes_a_diff_of_the_program(fix: dict[str, Any], tmp_path: Path) -> None:
    other = _fix((TWO, "7"), uri="elsewhere.py")
    (finding,) = _one(tmp_path, _run(_result(_at(), fixes=[other, fix]))).findings
    assert finding.fix is not None
    assert apply_patch(finding.fix, BROKEN) == HEALTHY


@pytest.mark.parametrize(
    "fix",
    [
        _fix(({"startLine": 9999}, "")),
        _fix(({"startLine": LINE, "startColumn": 500}, "")),
        _fix(({"startLine": 5, "endLine": 4}, "")),
        _fix(({"charOffset": -5, "charLength": 9}, "")),
        _fix(({"charOffset": 10**30}, "")),
        _fix(({}, "")),
        _fix((TWO, "1"), (TWO, "3")),
        _fix((TWO, "x" * 300_000)),
        _fix((TWO, "2")),
        {"artifactChanges": []},
        {
            "artifactChanges": [
                *_fix((TWO, "1"))["artifactChanges"],
                *_fix((TWO, "1"), uri="b.py")["artifactChanges"],
            ]
        },
    ],
)
def test_an_invalid_fix_is_omitted(fix: dict[str, Any], tmp_path: Path) -> None:
    (finding,) = _one(tmp_path, _run(_result(_at(), fixes=[fix]))).findings
    assert finding.fix is None


def _failing(*locations: dict[str, Any]) -> dict[str, Any]:
    note = {"level": "error", "message": {"text": "out of memory"}, "locations": [*locations]}
    return {"invocations": [{"executionSuccessful": False, "toolExecutionNotifications": [note]}]}


def test_a_failure_applies_to_the_programs_that_it_names(tmp_path: Path) -> None:
    blaming = _read(tmp_path, _run(_result(_at()), **_failing(_at(f"net_{OTHERS[0].id}.py"))))
    assert [blaming[program.id].status for program in (BROKEN_ONE, *OTHERS)] == [
        Status.FLAGGED,
        Status.ERROR,
        Status.CLEAN,
    ]
    assert blaming[OTHERS[0].id].reason == "out of memory"


def test_a_failure_without_a_program_applies_to_the_whole_run(tmp_path: Path) -> None:
    whole = _read(tmp_path, _run(_result(_at()), **_failing()))
    assert {diagnosis.status for diagnosis in whole.values()} == {Status.ERROR}
    each = [_run(artifacts=[{"location": {"uri": f"net_{program.id}.py"}}]) for program in PROGRAMS]
    found = _read(tmp_path, each[0] | _failing(), *each[1:])
    assert [found[program.id].status for program in PROGRAMS] == [
        Status.ERROR,
        Status.CLEAN,
        Status.CLEAN,
    ]


def test_an_exit_code_is_not_a_failure(tmp_path: Path) -> None:
    done = {"invocations": [{"executionSuccessful": True, "exitCode": 1}]}
    assert _one(tmp_path, _run(_result(_at()), **done)).status is Status.FLAGGED


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [_run()],
        [_run(_result())],
        [_run(_result(_at("net_0123456789ab.py")))],
        [_run(_result(_at("cases/none/missing_return.py")))],
    ],
)
def test_a_log_that_names_no_program_is_rejected(
    runs: list[dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"names none of the programs.*--key.*artifacts"):
        _read(tmp_path, *runs)


def test_a_log_with_artifacts_needs_no_results(tmp_path: Path) -> None:
    assert _one(tmp_path, _run(artifacts=[{"location": {"uri": NAME}}])).status is Status.CLEAN


DEEP = '{"version": "2.1.0", "runs": [], "properties": ' + "[" * 100_000 + "]" * 100_000 + "}"
WRONG = {
    "an empty file": ("", "truncated"),
    "text": ("flagged: net.py", "malformed"),
    "another format": ('[{"code": "F401"}]', "Expected `object`"),
    "no version": ('{"runs": []}', "version"),
    "another version": ('{"version": "2.0.0", "runs": []}', "Invalid enum value '2.0.0'"),
    "no runs": ('{"version": "2.1.0"}', "missing required field `runs`"),
    "no tool": ('{"version": "2.1.0", "runs": [{}]}', "missing required field `tool`"),
    "cut off": ('{"version": "2.1.0", "runs": [', "truncated"),
    "not a number": ('{"version": "2.1.0", "runs": NaN}', "malformed"),
    "nested deeply": (DEEP, "nested too deeply"),
    "not UTF-8": ('{"version": "2.1.0", "runs": "\udcff"}', "is not a SARIF"),
    "half a character": ('{"version": "2.1.0", "runs": [], "x": "\\ud800"}', "is not a SARIF"),
    "line 0": (
        json.dumps({"version": "2.1.0", "runs": [_run(_result(_at(startLine=0)))]}),
        r"Expected `int` >= 1 .*startLine",
    ),
    "half a line": (
        json.dumps({"version": "2.1.0", "runs": [_run(_result(_at()))]}).replace(
            '"uri"', '"index": 1.5, "uri"'
        ),
        "Expected `int`, got `float`",
    ),
    "an unknown level": (
        json.dumps({"version": "2.1.0", "runs": [_run(_result(level="bad"))]}),
        "Invalid enum value 'bad'",
    ),
    "a number for a text": (
        json.dumps({"version": "2.1.0", "runs": [_run(_result(message={"text": 5}))]}),
        "Expected `str",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_invalid_log_is_rejected_in_one_sentence(name: str, tmp_path: Path) -> None:
    text, reason = WRONG[name]
    path = tmp_path / "log.sarif"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match=reason) as caught:
        read_sarif(path, PROGRAMS, KINDS)
    assert str(caught.value).startswith((str(path), f"cannot read {path}"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_missing_or_too_large_log_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "log.sarif"
    with pytest.raises(UsageError, match=r"cannot read .*: No such file"):
        read_sarif(path, PROGRAMS, KINDS)
    with path.open("wb") as stream:
        stream.truncate(SIZE_LIMIT + 1)
    with pytest.raises(UsageError, match="larger than 64 MiB"):
        read_sarif(path, PROGRAMS, KINDS)


def test_many_results_and_long_texts_are_cut(tmp_path: Path) -> None:
    long = {"text": "x" * 10_000}
    result = _result(_at(), message=long, ruleId="r" * 9_000, fixes=[_fix((TWO, "1"))] * 3)
    found = _one(tmp_path, _run(*[result] * 600))
    assert len(found.findings) == 50
    assert len(found.findings[0].message) == 4_000
    assert len(found.findings[0].rule) == 200


def test_a_byte_order_mark_and_null_lists_are_accepted(tmp_path: Path) -> None:
    nothing = dict.fromkeys(["relatedLocations", "fixes", "suppressions", "properties", "rule"])
    document = {"version": "2.1.0", "runs": [_run(_result(_at()) | nothing, invocations=None)]}
    path = tmp_path / "log.sarif"
    path.write_text(json.dumps(document), encoding="utf-8-sig")
    assert read_sarif(path, PROGRAMS, KINDS)[BROKEN_ONE.id].status is Status.FLAGGED


ANSWERS = {
    "flagged": Diagnosis(
        Status.FLAGGED,
        [
            Finding(
                "too flat",
                "shape/flatten",
                Severity.ERROR,
                "F1",
                Location(LINE, LocationRole.SYMPTOM, LINE + 1, 9),
                "fc",
                unified_diff(BROKEN, HEALTHY, NAME),
            ),
            Finding("unused", severity=Severity.WARNING),
        ],
    ),
    "clean": Diagnosis(Status.CLEAN, [Finding("long line", severity=Severity.NOTE, rule="E5")]),
    "quiet": Diagnosis(Status.CLEAN),
    "unsupported": Diagnosis(Status.UNSUPPORTED, reason="it has hooks"),
    "error": Diagnosis(Status.ERROR, reason="timeout: 60 s"),
}


def _answered(name: str, program: CorpusProgram = BROKEN_ONE) -> list[ToolResult]:
    rest = [item for item in PROGRAMS if item is not program]
    return [
        ToolResult(program, ANSWERS[name], 0.1),
        *(ToolResult(item, ANSWERS["quiet"], 0.1) for item in rest),
    ]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_written_log_is_valid_and_survives_a_round_trip(name: str, tmp_path: Path) -> None:
    path = tmp_path / "out.sarif"
    write_sarif(path, "my tool", "1.2", _answered(name))
    jsonschema.validate(json.loads(path.read_text()), SCHEMA)
    found = read_sarif(path, PROGRAMS, KINDS)
    assert found.pop(BROKEN_ONE.id) == ANSWERS[name]
    assert list(found.values()) == [ANSWERS["quiet"]] * len(OTHERS)


def test_the_schema_rejects_an_invalid_log() -> None:
    document = sarif_log("t", "", _answered("flagged"))
    jsonschema.validate(document, SCHEMA)
    document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["line"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_a_diff_that_does_not_apply_is_not_written() -> None:
    stray = Diagnosis(Status.FLAGGED, [Finding("wrong", fix="@@ -1 +1 @@\n-no\n+yes\n")])
    (result,) = sarif_log("t", "", [ToolResult(BROKEN_ONE, stray, 0.1)])["runs"][0]["results"]
    assert "fixes" not in result


def test_an_unwritable_log_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*: No such file"):
        write_sarif(tmp_path / "nowhere" / "out.sarif", "t", "", _answered("quiet"))
