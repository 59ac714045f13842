"""Tools that hang, flood, lie and die are asked; each gets an answer that says so."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest
from broken_convnets.commands.score import in_child
from broken_convnets.commands.score.protocol import messages
from broken_convnets.commands.score.programs.program import CorpusProgram, ProgramRole, corpus_programs
from broken_convnets.commands.score.protocol.messages import Diagnosis, Finding, Need, Severity, Status, json_schema
from broken_convnets.commands.score.protocol.validation import ProtocolError, decode_diagnosis, validated
from broken_convnets.commands.score.requests import ToolClient, describe_tool
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.tool_jobs import ToolRef, ToolReport
from broken_convnets.errors import UsageError
from broken_convnets.observe.runner import PRELOAD
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Limits
from kit import Pair, corpus_of

if TYPE_CHECKING:
    from collections.abc import Iterator
READS = "import json, sys\nrequests = [json.loads(line) for line in sys.stdin]\n"
SAYS = READS + "for request in requests:\n    print(json.dumps({answer}))\n"
CLEAN = '{{"protocol": 1, "id": request["id"], "status": "clean"}}'


@pytest.fixture(scope="module")
def runner() -> Iterator[ForkServer]:
    with ForkServer(
        Limits(seconds=5, memory_bytes=256 << 20, workers=4, preload=PRELOAD)
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[CorpusProgram]:
    corpus = corpus_of(tmp_path_factory.mktemp("corpus"), {"healthy/pair": Pair()})
    return corpus_programs([(0, entry) for entry in corpus.entries.values()], seed=7)


def _diagnoses(
    runner: ForkServer, asked: list[CorpusProgram], folder: Path, text: str, **more: object
) -> list[Diagnosis]:
    told = msgspec.structs.replace(ToolReport(needs=[Need.SOURCE]), **more)
    script = folder / "tool.py"
    script.write_text(text)
    ref = ToolRef("fake", [sys.executable, str(script)], told.needs, told.batch)
    results = list(ToolClient(runner, ref, told, seconds=5).ask(asked))
    assert {result.program.id for result in results} == {program.id for program in asked}
    return [result.diagnosis for result in results]


def _answering(answer: str) -> str:
    return SAYS.replace("{answer}", answer.replace("{{", "{").replace("}}", "}"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("import time\ntime.sleep(86_400)", "timeout: still running", id="hangs"),
        pytest.param("import os\nos.abort()", "exit status -6", id="crashes"),
        pytest.param("print('y' * (5 << 20))", "more than 4 MiB of output", id="floods"),
        pytest.param("hoard = bytearray(b'1') * (1 << 30)", "memory limit of 0.25 GiB", id="hoards"),
        pytest.param("print('all fine')", "no diagnosis: JSON is malformed", id="no-json"),
        pytest.param("pass", "no diagnosis: Input data was truncated", id="silent"),
        pytest.param(_answering('{{"status": "clean", "sure": 1}}'), "unknown field", id="schema"),
        pytest.param(
            _answering('{{"status": "flagged"}}'), "no finding of severity error", id="no-claim"
        ),
        pytest.param(_answering('{{"status": "clean", "protocol": 2}}'), "protocol", id="version"),
        pytest.param(_answering(CLEAN) + "sys.exit(3)", "exit status 3", id="exit-code"),
    ],
)
def test_what_is_no_answer_is_an_error_with_its_reason(
    runner: ForkServer, asked: list[CorpusProgram], tmp_path: Path, text: str, reason: str
) -> None:
    for diagnosis in _diagnoses(runner, asked, tmp_path, text):
        assert diagnosis.status is Status.ERROR
        assert reason in diagnosis.reason


@pytest.mark.parametrize("batch", [1, 2])
def test_an_answer_is_taken_alone_and_in_batches(
    runner: ForkServer, asked: list[CorpusProgram], tmp_path: Path, batch: int
) -> None:
    found = _diagnoses(runner, asked, tmp_path, _answering(CLEAN), batch=batch)
    assert [diagnosis.status for diagnosis in found] == [Status.CLEAN, Status.CLEAN]


def test_one_program_that_kills_a_batch_spoils_no_other(
    runner: ForkServer, asked: list[CorpusProgram], tmp_path: Path
) -> None:
    broken = next(program for program in asked if program.side is ProgramRole.BROKEN)
    text = READS + (
        "for request in requests:\n"
        f"    if request['id'] == '{broken.id}':\n"
        "        raise SystemExit(9)\n"
        f"    print(json.dumps({CLEAN}))\n"
    ).replace("{{", "{").replace("}}", "}")
    found = _diagnoses(runner, asked, tmp_path, text, batch=2)
    assert sorted(diagnosis.status for diagnosis in found) == [Status.CLEAN, Status.ERROR]


def test_a_request_says_nothing_of_the_corpus(
    runner: ForkServer, asked: list[CorpusProgram], tmp_path: Path
) -> None:
    text = READS + (
        "import os\n"
        "for request in requests:\n"
        "    seen = [request, os.environ.copy(), os.getcwd(), sorted(os.listdir('.'))]\n"
        "    finding = {'message': json.dumps(seen)[:4000], 'severity': 'note'}\n"
        "    print(json.dumps({'status': 'clean', 'findings': [finding]}))\n"
    )
    for diagnosis in _diagnoses(runner, asked, tmp_path, text):
        said = diagnosis.findings[0].message
        assert "healthy" not in said.replace(str(tmp_path), "")
        assert "broken" not in said.replace("broken-convnets", "")


def test_a_traceback_comes_where_it_is_asked_for_and_only_there(
    runner: ForkServer, asked: list[CorpusProgram], tmp_path: Path
) -> None:
    told = READS + (
        "for request in requests:\n"
        "    text = request['traceback']\n"
        "    finding = {'message': repr(text), 'severity': 'note'}\n"
        "    print(json.dumps({'status': 'clean', 'findings': [finding]}))\n"
    )
    given = _diagnoses(runner, asked, tmp_path, told, needs=[Need.TRACEBACK])
    said = sorted((diagnosis.findings[0].message for diagnosis in given), key=len, reverse=True)
    assert "Traceback (most recent call last)" in said[0]
    assert said[1] == repr("")
    without = _diagnoses(runner, asked, tmp_path, told)
    assert {diagnosis.findings[0].message for diagnosis in without} == {"None"}


def test_a_tool_that_is_not_there_is_said_before_anything_runs(runner: ForkServer) -> None:
    with pytest.raises(UsageError, match=r"^there is no tool called 'nobody': choose from"):
        describe_tool(runner, ToolRef("nobody"))


def test_ids_and_order_follow_from_the_seed_and_tell_nothing(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, {f"healthy/pair_{number}": Pair() for number in range(8)})
    entries = [(0, entry) for entry in corpus.entries.values()]
    one, again, other = (corpus_programs(entries, seed) for seed in (7, 7, 8))
    assert one == again
    assert not {program.id for program in one} & {program.id for program in other}
    assert len({program.id for program in one}) == 16
    assert [program.side for program in one] != [program.side for program in other]


def test_requests_and_diagnoses_are_what_the_json_schema_says() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    good = Diagnosis(Status.FLAGGED, [Finding("no", severity=Severity.ERROR)])
    validator.validate(json.loads(msgspec.json.encode(good)))
    for sick in ('{"status": "maybe"}', '{"status": "clean", "sure": true}', '{"findings": []}'):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(json.loads(sick))
        with pytest.raises(ProtocolError):
            decode_diagnosis(sick.encode())


def test_the_schema_in_the_package_is_the_protocol() -> None:
    kept = Path(str(messages.__file__)).with_name(f"protocol-{protocol.VERSION}.schema.json")
    assert json.loads(kept.read_text()) == json_schema(), "broken-convnets score --schema > that file"


def test_an_error_among_the_findings_of_a_clean_program_is_a_contradiction() -> None:
    with pytest.raises(ProtocolError, match="clean, and a finding of severity error"):
        validated(Diagnosis(Status.CLEAN, [Finding("no")]))


@pytest.fixture
def preparing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Stand in for the bundled tools; return the names of those that were prepared."""
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

    monkeypatch.setattr(in_child, "bundled", lambda: ["works", "fails", "missing"])
    monkeypatch.setattr(in_child, "find", find)
    monkeypatch.setattr("broken_convnets.commands.score.run_tool.freeze_heap", lambda: None)
    in_child.prepare_tool.cache_clear()
    yield seen
    in_child.prepare_tool.cache_clear()


def test_a_bundled_tool_is_prepared_once(preparing: list[str]) -> None:
    for name in ("works", "works", "fails", "fails"):
        in_child.prepare_tool(name)
    assert preparing == ["works", "fails"]


def test_no_other_code_is_let_into_the_process_that_forks(preparing: list[str]) -> None:
    in_child.prepare_tool("missing")
    in_child.prepare_tool("announced")
    assert preparing == []
