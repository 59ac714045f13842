"""Count the instructions of each forward pass under valgrind, where it is installed.

A count that no other load of the machine changes, and that sees slow Python too: but loading
torch under valgrind takes a minute, so one process counts the whole corpus. The first program
is run once more than it is counted: it pays for what all others find warm.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.errors import UsageError
from broken_convnets.util.environment import environment

if TYPE_CHECKING:
    import argparse

    from broken_convnets.corpus.entries import Corpus

TOTALS = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
NO_VALGRIND = (
    "--instructions needs valgrind, which is not installed: "
    "`apt-get install valgrind`, or compare times without it"
)


def instructions(corpus: Corpus, options: argparse.Namespace) -> int:
    """Print the instructions of each fix's and control's forward pass.

    Raises UsageError where valgrind is not there or does not run torch.
    """
    if shutil.which("valgrind") is None:
        raise UsageError(NO_VALGRIND)
    names = [name for name in corpus.select(options.ids) if name in corpus.entries]
    sources = {name: corpus.entries[name].programs()["fixed"] for name in names}
    print("loading torch under valgrind takes a minute …", file=sys.stderr)
    counts = count(sources)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(counts)).decode())
    else:
        for name, number in counts.items():
            print(f"{number:>16,}  {name}" if number else f"{'cannot be counted':>16}  {name}")
    return 0


def count(sources: dict[str, str]) -> dict[str, int | None]:
    """Return the instructions of a forward pass of each program; None where it raises.

    Raises UsageError where valgrind fails.
    """
    with tempfile.TemporaryDirectory(prefix="broken-convnets-") as folder:
        command = [
            "valgrind",
            "--tool=callgrind",
            "--collect-atstart=no",
            f"--callgrind-out-file={folder}/counts",
            sys.executable,
            "-m",
            f"{__package__}.under_valgrind",
        ]
        done = subprocess.run(
            command,
            input=msgspec.json.encode(sources),
            capture_output=True,
            cwd=folder,
            env=environment(),
            check=False,
        )
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            message = f"valgrind could not run torch: {lines[-1][:200] if lines else 'no reason'}"
            raise UsageError(message)
        names = msgspec.json.decode(done.stdout, type=dict[str, int | None])
        return {
            name: None if dump is None else read_dump(Path(folder) / f"counts.{dump}")
            for name, dump in names.items()
        }


def read_dump(path: Path) -> int | None:
    """Return the total of a dump that callgrind wrote; None where it holds none."""
    if not path.is_file():
        return None
    found = TOTALS.search(path.read_text(encoding="utf-8", errors="replace"))
    return int(found[1]) if found else None
