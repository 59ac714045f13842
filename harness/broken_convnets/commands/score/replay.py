"""A tool that gives recorded answers: `python -m broken_convnets.commands.score.replay transcript.jsonl`.

It speaks the protocol, so that what a language model said can be scored again without a
network and without its price. Answers are found by the text of the program, whose id is
another one under each seed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.commands.score.protocol import (
    Diagnosis,
    ProtocolError,
    Request,
    Status,
    checked,
)
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_USAGE = 2
UNTOLD = "the transcript has no answer for this program"


class Recorded(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a transcript: what a model answered about one program.

    `sha256` is of the program's source in UTF-8; `id` will do where only one seed is used.
    `prompt` is a hash of all that the model was given.
    """

    diagnosis: Diagnosis
    sha256: str = ""
    id: str = ""
    model: str = ""
    prompt: str = ""
    note: str = ""


def key(source: str) -> str:
    """Return what a transcript knows a program by."""
    return hashlib.sha256(source.encode()).hexdigest()


class Transcript:
    """Recorded answers, by program."""

    def __init__(self, path: Path) -> None:
        """Read a file of JSON lines; raises UsageError, with the line, where it is none."""
        self._answers: dict[str, Diagnosis] = {}
        self.models: list[str] = []
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror or error}"
            raise UsageError(message) from None
        for number, line in enumerate(lines, 1):
            if line.strip():
                self._add(line, f"{path}, line {number}")

    def _add(self, line: bytes, place: str) -> None:
        try:
            recorded = msgspec.json.decode(line, type=Recorded)
            diagnosis = checked(recorded.diagnosis)
        except (msgspec.DecodeError, UnicodeDecodeError, ProtocolError, RecursionError) as error:
            message = f"{place}: {error}"
            raise UsageError(message) from None
        names = [name for name in (recorded.sha256, recorded.id) if name]
        if not names:
            message = f'{place}: neither "sha256" nor "id" says which program it is about'
            raise UsageError(message)
        if twice := self._answers.keys() & set(names):
            message = f"{place}: there is an answer for {min(twice)} already: keep one"
            raise UsageError(message)
        self._answers |= dict.fromkeys(names, diagnosis)
        if recorded.model not in ("", *self.models):
            self.models.append(recorded.model)

    def answer(self, request: Request) -> Diagnosis:
        """Return what was recorded; `unsupported` where nothing was."""
        untold = Diagnosis(Status.UNSUPPORTED, reason=UNTOLD)
        known = self._answers.get(key(request.source)) or self._answers.get(request.id, untold)
        return msgspec.structs.replace(known, id=request.id)


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer each request (a line of JSON) on standard input; return 2 where that is none."""
    parser = argparse.ArgumentParser(
        prog="python -m broken_convnets.commands.score.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("transcript", type=Path, help="JSON lines, see docs/tools.md")
    parser.add_argument("--version", action="store_true", help="name the models and stop")
    options = parser.parse_args(arguments)
    try:
        transcript = Transcript(options.transcript)
        if options.version:
            print(", ".join(transcript.models) or "no model is named")
            return 0
        for line in sys.stdin.buffer:
            if line.strip():
                request = msgspec.json.decode(line, type=Request)
                print(msgspec.json.encode(transcript.answer(request)).decode(), flush=True)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        print(f"error: no request: {error}", file=sys.stderr)
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
