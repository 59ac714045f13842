"""A transcript replays its answers under any seed, and declines unknown programs."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from broken_convnets.commands.score.programs.patch import apply_patch
from broken_convnets.commands.score.programs.program import corpus_programs
from broken_convnets.commands.score.programs.workspace import part_names
from broken_convnets.commands.score.protocol.messages import Diagnosis, Request, Status
from broken_convnets.commands.score.protocol.validation import decode_diagnosis
from broken_convnets.commands.score.replay import Transcript, main, source_hash
from broken_convnets.commands.score.select_tools import selected_tools
from broken_convnets.errors import UsageError
from kit import BROKEN, HEALTHY, Pair, case_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.score.programs.program import CorpusProgram

EXAMPLE = Path(__file__).parent / "data/example_transcript.jsonl"
CLEAN = {"status": "clean"}


def _request(program: CorpusProgram) -> Request:
    return Request(program.id, "net.py", program.source, part_names(program.source), "python", 60)


def _requests(seed: int) -> list[Request]:
    return [_request(program) for program in corpus_programs([(0, case_of(Pair()))], seed)]


@pytest.fixture
def transcript(tmp_path: Path) -> Callable[..., Transcript]:
    def written(*lines: Any) -> Transcript:
        path = tmp_path / "transcript.jsonl"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts))
        return Transcript(path)

    return written


@pytest.mark.parametrize("seed", [0, 7])
def test_the_example_answers_under_any_seed(seed: int) -> None:
    known = Transcript(EXAMPLE)
    requests = _requests(seed)
    answers = {request.source: known.answer(request) for request in requests}
    assert answers[HEALTHY].status is Status.CLEAN
    (finding,) = answers[BROKEN].findings
    assert finding.fix is not None
    assert apply_patch(finding.fix, BROKEN) == HEALTHY
    assert {answer.id for answer in answers.values()} == {request.id for request in requests}


def test_the_example_is_marked_as_written_by_hand() -> None:
    lines = [json.loads(line) for line in EXAMPLE.read_text().splitlines()]
    assert all("written by hand" in line["note"] for line in lines)
    assert Transcript(EXAMPLE).models == ["example, no model"]


def test_an_unknown_program_is_unsupported(transcript: Callable[..., Transcript]) -> None:
    (one, other) = _requests(0)
    known = transcript({"id": one.id, "diagnosis": CLEAN}, {"sha256": "0", "diagnosis": CLEAN})
    assert known.answer(one) == Diagnosis(Status.CLEAN, id=one.id)
    untold = known.answer(other)
    assert (untold.status, untold.id) == (Status.UNSUPPORTED, other.id)
    assert untold.reason == "the transcript has no answer for this program"


def test_the_source_takes_precedence_over_the_id(transcript: Callable[..., Transcript]) -> None:
    (one, _) = _requests(0)
    failed = {"status": "error", "reason": "refused"}
    known = transcript(
        {"id": one.id, "diagnosis": failed}, {"sha256": source_hash(one.source), "diagnosis": CLEAN}
    )
    assert known.answer(one).status is Status.CLEAN


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("flagged", "line 2: .*malformed"),
        ({"diagnosis": CLEAN}, 'line 2: "sha256" or "id" is required'),
        ({"sha256": "0"}, "line 2: .*missing required field `diagnosis`"),
        (
            {"sha256": "0", "diagnosis": {"status": "flagged"}},
            "line 2: invalid diagnosis: status is 'flagged'",
        ),
        ({"sha256": "0", "diagnosis": CLEAN, "why": 1}, "line 2: .*unknown field `why`"),
        ({"sha256": "1", "diagnosis": CLEAN}, "line 2: 1 already has an answer"),
        ('{"sha256": ' + "[" * 100_000, "line 2: "),
    ],
)
def test_an_invalid_line_is_rejected(
    line: object, reason: str, transcript: Callable[..., Transcript]
) -> None:
    with pytest.raises(UsageError, match=reason):
        transcript({"sha256": "1", "diagnosis": CLEAN}, line)


def _run(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "broken_convnets.commands.score.replay", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def test_it_implements_the_protocol_as_an_executable() -> None:
    requests = _requests(5)
    lines = [msgspec.json.encode(request).decode() for request in requests]
    done = _run("\n".join(lines), str(EXAMPLE))
    assert (done.returncode, done.stderr) == (0, "")
    answers = [decode_diagnosis(line.encode()) for line in done.stdout.splitlines()]
    assert [answer.id for answer in answers] == [request.id for request in requests]
    assert {answer.status for answer in answers} == {Status.FLAGGED, Status.CLEAN}


def test_the_version_is_the_name_of_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(EXAMPLE), "--version"]) == 0
    assert capsys.readouterr().out == "example, no model\n"


def test_bad_input_exits_2_in_one_sentence() -> None:
    done = _run("{}", str(EXAMPLE))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: invalid request: ")
    done = _run("", "nowhere.jsonl")
    assert (done.returncode, done.stderr) == (
        2,
        "error: cannot read nowhere.jsonl: No such file or directory\n",
    )


def test_the_link_to_an_interpreter_is_not_resolved(tmp_path: Path) -> None:
    """The target of the link is the interpreter without the packages of the environment."""
    (tmp_path / "python").symlink_to(sys.executable)
    options = Namespace(
        tools=[],
        sarif=None,
        predictions=None,
        kinds=None,
        key=None,
        name=None,
        needs=["source"],
        batch=1,
        exec=f"{tmp_path / 'python'} -m x {EXAMPLE}",
    )
    (tool,) = selected_tools(options)
    assert tool.argv == [str(tmp_path / "python"), "-m", "x", str(EXAMPLE)]
