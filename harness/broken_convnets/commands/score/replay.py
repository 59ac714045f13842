"""A tool that replays recorded answers: `python -m broken_convnets.commands.score.replay FILE`.

It implements the protocol, so that the answers of a language model can be scored again without
a network connection and without cost. It finds an answer by the text of the program, because
the id depends on the seed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.commands.score.protocol.messages import Diagnosis, Request, Status
from broken_convnets.commands.score.protocol.validation import ProtocolError, validated
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_USAGE = 2
NO_ANSWER = "the transcript has no answer for this program"


class TranscriptLine(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a transcript: a model's answer for one program.

    `sha256` is the hash of the program's source in UTF-8. `id` identifies the program under one
    seed only. `prompt` is a hash of everything that the model received.
    """

    diagnosis: Diagnosis
    sha256: str = ""
    id: str = ""
    model: str = ""
    prompt: str = ""
    note: str = ""


def source_hash(source: str) -> str:
    """Return the hash by which a transcript identifies a program."""
    return hashlib.sha256(source.encode()).hexdigest()


class Transcript:
    """Recorded answers by program."""

    def __init__(self, path: Path) -> None:
        """Read a file of JSON lines. Raises UsageError, with the line, if it is invalid."""
        self._answers: dict[str, Diagnosis] = {}
        self.models: list[str] = []
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            message = f"cannot read {path}: {error.strerror or error}"
            raise UsageError(message) from None
        for number, line in enumerate(lines, 1):
            if line.strip():
                self._add(line, f"{path}, line {number}")

    def _add(self, line: bytes, place: str) -> None:
        try:
            recorded = msgspec.json.decode(line, type=TranscriptLine)
            diagnosis = validated(recorded.diagnosis)
        except (msgspec.DecodeError, UnicodeDecodeError, ProtocolError, RecursionError) as error:
            message = f"{place}: {error}"
            raise UsageError(message) from None
        names = [name for name in (recorded.sha256, recorded.id) if name]
        if not names:
            message = f'{place}: "sha256" or "id" is required to identify the program'
            raise UsageError(message)
        if repeated := self._answers.keys() & set(names):
            message = f"{place}: {min(repeated)} already has an answer: keep one"
            raise UsageError(message)
        self._answers |= dict.fromkeys(names, diagnosis)
        if recorded.model not in ("", *self.models):
            self.models.append(recorded.model)

    def answer(self, request: Request) -> Diagnosis:
        """Return the recorded diagnosis, or `unsupported` if there is none."""
        missing = Diagnosis(Status.UNSUPPORTED, reason=NO_ANSWER)
        by_text = self._answers.get(source_hash(request.source))
        diagnosis = by_text or self._answers.get(request.id, missing)
        return msgspec.structs.replace(diagnosis, id=request.id)


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the requests (JSON lines) on standard input; return 2 if the input is invalid."""
    parser = argparse.ArgumentParser(
        prog="python -m broken_convnets.commands.score.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("transcript", type=Path, help="JSON lines, see docs/tools.md")
    parser.add_argument("--version", action="store_true", help="print the model names and exit")
    options = parser.parse_args(arguments)
    try:
        transcript = Transcript(options.transcript)
        if options.version:
            print(", ".join(transcript.models) or "no model named")
            return 0
        for line in sys.stdin.buffer:
            if line.strip():
                request = msgspec.json.decode(line, type=Request)
                print(msgspec.json.encode(transcript.answer(request)).decode(), flush=True)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        print(f"error: invalid request: {error}", file=sys.stderr)
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
