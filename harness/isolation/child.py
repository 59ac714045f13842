"""Run one job in a fresh interpreter: a job on standard input, an observation on standard output.

The way to isolate programs where a process that has torch loaded cannot be forked.
"""

from __future__ import annotations

import os
import sys

import msgspec

from ..facts import Job


def main() -> None:
    """Answer the question on standard input: a job, or nothing for what is here."""
    question = sys.stdin.buffer.read()
    answer = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # what the program prints must not mix with the answer
        os.dup2(null, stream)
    from . import warm  # noqa: PLC0415  (imports torch: only once the streams are safe)

    warm.calm()
    if question:
        from ..observation.observe import observe  # noqa: PLC0415  (likewise)

        facts = msgspec.json.encode(observe(msgspec.json.decode(question, type=Job)))
    else:
        facts = msgspec.json.encode(warm.hello("a fresh interpreter per program"))
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(facts)
    os._exit(0)


if __name__ == "__main__":
    main()
