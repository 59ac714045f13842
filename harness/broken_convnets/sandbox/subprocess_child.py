"""Run one job in a fresh interpreter: a job on standard input, its answer on standard output.

The way to isolate programs where a process that has torch loaded cannot be forked.
"""

from __future__ import annotations

import os
import sys

import msgspec

from broken_convnets.sandbox import calls


def main() -> None:
    """Preload the modules that the arguments name, then run the job on standard input."""
    question = sys.stdin.buffer.read()
    answer = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # what the program prints must not mix with the answer
        os.dup2(null, stream)
    calls.preload(sys.argv[1:], forks=False)
    facts = calls.run(msgspec.json.decode(question, type=calls.QueuedJob))
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(facts)
    os._exit(0)


if __name__ == "__main__":
    main()
