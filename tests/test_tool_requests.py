"""Tools that hang, flood, lie or crash: each invalid answer becomes an error that says why."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest
from broken_convnets.commands.score import in_child
from broken_convnets.commands.score.kinds import known_kinds
from broken_convnets.commands.score.programs.program import (
    CorpusProgram,
    ProgramRole,
    corpus_programs,
)
from broken_convnets.commands.score.protocol import messages
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Need,
    Severity,
    Status,
    json_schema,
)
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.protocol.validation import (
    ProtocolError,
    decode_diagnosis,
    validated,
)
from broken_convnets.commands.score.requests import ToolClient, describe_tool
from broken_convnets.commands.score.tool_jobs import ToolRef, ToolReport
from broken_convnets.errors import UsageError
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Limits
from kit import Pair, corpus_of

if TYPE_CHECKING:
    from collections.abc import Iterator
READS = "import json, sys\nrequests = [json.loads(line) for line in sys.stdin]\n"
ANSWERS = READS + "for request in requests:\n    print(json.dumps({answer}))\n"
KINDS = frozenset({"shape/flatten", "shape", "other"})
CLEAN = '{{"protocol": 1, "id": request["id"], "status": "clean"}}'


@pytest.fixture(scope="module")
def runner() -> Iterator[ForkServer]:
    with ForkServer(Limits(seconds=5, memory_bytes=256 << 20, workers=4)) as opened:
        yield opened


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[CorpusProgram]:
    corpus = corpus_of(tmp_path_factory.mktemp("corpus"), {"healthy/pair": Pair()})
    return corpus_programs([(0, entry) for entry in corpus.entries.values()], seed=7)


def _diagnoses(
    runner: ForkServer, pair: list[CorpusProgram], folder: Path, text: str, **more: object
) -> list[Diagnosis]:
    description = msgspec.structs.replace(ToolReport(needs=[Need.SOURCE]), **more)
    script = folder / "tool.py"
    script.write_text(text)
    ref = ToolRef("fake", [sys.executable, str(script)], description.needs, description.batch)
    results = list(ToolClient(runner, ref, description, seconds=5, kinds=KINDS).diagnose(pair))
    assert {result.program.id for result in results} == {program.id for program in pair}
    return [result.diagnosis for result in results]


def _answering(answer: str) -> str:
    return ANSWERS.replace("{answer}", answer.replace("{{", "{").replace("}}", "}"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("import os\nos.abort()", "exit status -6", id="crashes"),
        pytest.param("print('y' * (5 << 20))", "more than 4 MiB of output", id="floods"),
        pytest.param(
            "hoard = bytearray(b'1') * (1 << 30)", "memory limit of 0.25 GiB", id="hoards"
        ),
        pytest.param("print('all fine')", "invalid diagnosis: JSON is malformed", id="no-json"),
        pytest.param("pass", "invalid diagnosis: Input data was truncated", id="silent"),
        pytest.param(_answering('{{"status": "clean", "sure": 1}}'), "unknown field", id="schema"),
        pytest.param(
            _answering('{{"status": "flagged"}}'),
            "no finding has severity 'error'",
            id="no-finding",
        ),
        pytest.param(_answering('{{"status": "clean", "protocol": 2}}'), "protocol", id="version"),
        pytest.param(
            _answering('{{"status": "flagged", "findings": [{{"message": "", "kind": "shap"}}]}}'),
            "unknown kind 'shap'; use a kind that docs/coverage.md lists",
            id="unknown-kind",
        ),
        pytest.param(_answering(CLEAN) + "sys.exit(3)", "exit status 3", id="exit-code"),
    ],
)
def test_an_invalid_answer_becomes_an_error_with_the_reason(
    runner: ForkServer, pair: list[CorpusProgram], tmp_path: Path, text: str, reason: str
) -> None:
    for diagnosis in _diagnoses(runner, pair, tmp_path, text):
        assert diagnosis.status is Status.ERROR
        assert reason in diagnosis.reason


def test_a_tool_that_never_answers_becomes_an_error(
    pair: list[CorpusProgram], tmp_path: Path
) -> None:
    with ForkServer(Limits(seconds=1, wall_factor=2, workers=2)) as runner:
        found = _diagnoses(runner, pair, tmp_path, "import time\ntime.sleep(86_400)")
    assert [diagnosis.status for diagnosis in found] == [Status.ERROR, Status.ERROR]
    assert all("timeout: still running after 2 s" in diagnosis.reason for diagnosis in found)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_valid_answer_is_accepted_alone_and_in_a_batch(
    runner: ForkServer, pair: list[CorpusProgram], tmp_path: Path, batch: int
) -> None:
    found = _diagnoses(runner, pair, tmp_path, _answering(CLEAN), batch=batch)
    assert [diagnosis.status for diagnosis in found] == [Status.CLEAN, Status.CLEAN]


def test_a_program_that_kills_its_batch_does_not_affect_the_others(
    runner: ForkServer, pair: list[CorpusProgram], tmp_path: Path
) -> None:
    broken = next(program for program in pair if program.role is ProgramRole.BROKEN)
    text = READS + (
        "for request in requests:\n"
        f"    if request['id'] == '{broken.id}':\n"
        "        raise SystemExit(9)\n"
        f"    print(json.dumps({CLEAN}))\n"
    ).replace("{{", "{").replace("}}", "}")
    found = _diagnoses(runner, pair, tmp_path, text, batch=2)
    assert sorted(diagnosis.status for diagnosis in found) == [Status.CLEAN, Status.ERROR]


def test_a_request_reveals_nothing_about_the_corpus(
    runner: ForkServer, pair: list[CorpusProgram], tmp_path: Path
) -> None:
    text = READS + (
        "import os\n"
        "for request in requests:\n"
        "    seen = [request, os.environ.copy(), os.getcwd(), sorted(os.listdir('.'))]\n"
        "    finding = {'message': json.dumps(seen)[:4000], 'severity': 'note'}\n"
        "    print(json.dumps({'status': 'clean', 'findings': [finding]}))\n"
    )
    for diagnosis in _diagnoses(runner, pair, tmp_path, text):
        texts = diagnosis.findings[0].message
        assert "healthy" not in texts.replace(str(tmp_path), "")
        assert "broken" not in texts.replace("broken-convnets", "")


def test_only_a_tool_that_needs_it_receives_the_traceback(
    runner: ForkServer, pair: list[CorpusProgram], tmp_path: Path
) -> None:
    script = READS + (
        "for request in requests:\n"
        "    text = request['traceback']\n"
        "    finding = {'message': repr(text), 'severity': 'note'}\n"
        "    print(json.dumps({'status': 'clean', 'findings': [finding]}))\n"
    )
    diagnoses = _diagnoses(runner, pair, tmp_path, script, needs=[Need.TRACEBACK])
    texts = sorted(
        (diagnosis.findings[0].message for diagnosis in diagnoses), key=len, reverse=True
    )
    assert "Traceback (most recent call last)" in texts[0]
    assert texts[1] == repr("")
    without = _diagnoses(runner, pair, tmp_path, script)
    assert {diagnosis.findings[0].message for diagnosis in without} == {"None"}


def test_a_finding_may_name_kinds_and_topics_of_the_corpus_and_of_the_bundled_one(
    tmp_path: Path,
) -> None:
    known = known_kinds(corpus_of(tmp_path, {"own/pair": Pair(extra={"covers": ["own/kind"]})}))
    assert {"own/kind", "own", "shape/linear_in_features", "shape", "other"} <= known
    assert not {"own/pair", "shape/linear_in_feature", ""} & known


def test_an_unknown_tool_is_reported_before_anything_runs(runner: ForkServer) -> None:
    with pytest.raises(UsageError, match=r"^unknown tool 'nobody': choose from"):
        describe_tool(runner, ToolRef("nobody"))


def test_the_seed_determines_the_order_and_nothing_determines_the_ids(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, {f"healthy/pair_{number}": Pair() for number in range(8)})
    entries = [(0, entry) for entry in corpus.entries.values()]
    one, again, other = (corpus_programs(entries, seed) for seed in (7, 7, 8))
    assert [program.key for program in one] == [program.key for program in again]
    assert not {program.id for program in one} & {program.id for program in again}
    assert len({program.id for program in one}) == 16
    assert [program.role for program in one] != [program.role for program in other]


def test_messages_conform_to_the_json_schema() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    good = Diagnosis(Status.FLAGGED, [Finding("no", severity=Severity.ERROR)])
    validator.validate(json.loads(msgspec.json.encode(good)))
    for invalid in ('{"status": "maybe"}', '{"status": "clean", "sure": true}', '{"findings": []}'):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(json.loads(invalid))
        with pytest.raises(ProtocolError):
            decode_diagnosis(invalid.encode())


def test_the_schema_file_is_up_to_date() -> None:
    schema_file = Path(str(messages.__file__)).with_name(
        f"protocol-{messages.PROTOCOL_VERSION}.schema.json"
    )
    assert json.loads(schema_file.read_text()) == json_schema(), (
        "broken-convnets score --schema > that file"
    )


def test_a_clean_diagnosis_with_an_error_is_rejected() -> None:
    with pytest.raises(ProtocolError, match="status is 'clean' but a finding has severity 'error'"):
        validated(Diagnosis(Status.CLEAN, [Finding("no")]))


@pytest.fixture
def preparing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Replace the bundled tools; return the names of the prepared ones."""
    seen: list[str] = []

    class Preparing(Tool):
        name = ""

        def prepare(self) -> None:
            seen.append(self.name)
            if self.name == "fails":
                raise RuntimeError

    class Missing(Preparing):
        def missing(self) -> str:
            return "install it"

    def find(name: str) -> Tool:
        tool = Missing() if name == "missing" else Preparing()
        tool.name = name
        return tool

    monkeypatch.setattr(in_child, "bundled_tools", lambda: ["works", "fails", "missing"])
    monkeypatch.setattr(in_child, "find_tool", find)
    monkeypatch.setattr("broken_convnets.commands.score.in_child.freeze_heap", lambda: None)
    in_child.prepare_tool.cache_clear()
    yield seen
    in_child.prepare_tool.cache_clear()


def test_a_bundled_tool_is_prepared_once(preparing: list[str]) -> None:
    for name in ("works", "works", "fails", "fails"):
        in_child.prepare_tool(name)
    assert preparing == ["works", "fails"]


def test_only_bundled_tools_are_prepared_in_the_fork_server(preparing: list[str]) -> None:
    in_child.prepare_tool("missing")
    in_child.prepare_tool("announced")
    assert preparing == []
