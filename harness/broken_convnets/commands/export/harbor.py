"""Write programs as tasks of Harbor: one folder for each, with a verifier of its own.

The agent's image contains the program and torch. The answer and this package are in the
verifier's image, which Harbor builds from `tests/` and starts after the agent has stopped.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import msgspec
import tomli_w

from broken_convnets.commands.export.harbor_reward import ANSWER, CORPUS, PROGRAM, Answer
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.util.new_folder import new_folder
from broken_convnets.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from broken_convnets.commands.score.programs.program import CorpusProgram

SOLVED_AT = f"/app/{PROGRAM}"
INSTRUCTION = f"""\
`{SOLVED_AT}` is a small PyTorch program. It may contain one mistake, which may or may not raise an
exception, or it may be correct.

If it contains a mistake, fix it in `{SOLVED_AT}` with the smallest change. Do not change what the
program is for, and do not hide the failure. If it is correct, leave the file as it is.
"""
BASE = "FROM python:3.11-slim\n"
INSTALL = "RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu"
ENVIRONMENT = f"""\
{BASE}{INSTALL} torch torchvision numpy pillow
WORKDIR /app
COPY {PROGRAM} {SOLVED_AT}
"""
VERIFIER = f"""\
{BASE}{INSTALL} 'broken-convnets[torch]=={__version__}'
COPY . /tests
"""
TEST = f"""\
#!/bin/sh
mkdir -p /logs/verifier
python -m broken_convnets.commands.export.harbor_reward /tests {SOLVED_AT} \\
    > /logs/verifier/reward.txt
"""


def write_harbor(samples: Sequence[CorpusProgram], corpus: Path, out: Path) -> None:
    """Write a task for each sample, or nothing.

    `corpus` is the folder of the samples' entries. Raises UsageError if `out` exists and is not
    an empty folder, or cannot be written.
    """
    with new_folder(out) as draft:
        for sample in samples:
            _write_task(sample, corpus, draft / f"net-{sample.id}")


def _write_task(sample: CorpusProgram, corpus: Path, folder: Path) -> None:
    answer = Answer(sample.entry, sample.role)
    texts = {
        "task.toml": tomli_w.dumps(_settings(sample)),
        "instruction.md": INSTRUCTION,
        "environment/Dockerfile": ENVIRONMENT,
        f"environment/{PROGRAM}": sample.source,
        "tests/Dockerfile": VERIFIER,
        "tests/test.sh": TEST,
        f"tests/{PROGRAM}": sample.source,
        f"tests/{ANSWER}": msgspec.json.encode(answer).decode(),
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    (folder / "tests/test.sh").chmod(0o755)
    if sample.role is not ProgramRole.CONTROL:
        for name in (f"cases/{answer.entry}.py", f"cases/{answer.entry}.toml"):
            _copy(corpus, name, folder / "tests" / CORPUS)
        _copy(corpus, f"fixes/{answer.entry}.py", folder / "tests" / CORPUS)


def _settings(sample: CorpusProgram) -> dict[str, object]:
    resources = {"build_timeout_sec": 1800.0, "cpus": 1, "memory_mb": 4096, "storage_mb": 10240}
    return {
        "schema_version": "1.3",
        "artifacts": [SOLVED_AT],
        "task": {"name": f"broken-convnets/net-{sample.id}", "keywords": ["pytorch"]},
        "agent": {"timeout_sec": 900.0},
        "environment": resources,
        "verifier": {
            "environment_mode": "separate",
            "timeout_sec": 600.0,
            "environment": resources,
        },
    }


def _copy(corpus: Path, name: str, into: Path) -> None:
    (into / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(corpus / name, into / name)
