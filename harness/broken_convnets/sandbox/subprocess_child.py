"""Run one job in a new interpreter: the job on standard input, its answer on standard output.

The way to isolate programs on systems where a process that has torch loaded cannot be forked.
"""

from __future__ import annotations

import os
import sys

import msgspec

from broken_convnets.sandbox import calls
from broken_convnets.sandbox.wire import QueuedJob


def main() -> None:
    """Preload the modules that the arguments name, then run the job on standard input."""
    question = sys.stdin.buffer.read()
    error = calls.preload(sys.argv[1:], forks=False)
    if error:
        sys.exit(error)
    answer = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # what the program prints must not mix with the answer
        os.dup2(null, stream)
    encoded = calls.run(msgspec.json.decode(question, type=QueuedJob))
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(encoded)
    os._exit(0)


if __name__ == "__main__":
    main()
