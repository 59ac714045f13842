"""Run bundled tools in forked children: requests as JSON on standard input, diagnoses as JSON.

Their modes, hooks and caches are global, so each diagnosis needs its own process.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from broken_convnets.commands.score.protocol.messages import ProgramNames, Request
from broken_convnets.commands.score.protocol.validation import error_diagnosis
from broken_convnets.commands.score.registry import find_tool
from broken_convnets.observe import preload

SECONDS = 60.0


def request(question: dict[str, Any]) -> Request:
    """Write the program to the working directory and return the request for it."""
    source = question["source"]
    Path("asked.py").write_text(source, encoding="utf-8")
    names = ProgramNames(
        targets="example_targets" if "def example_targets" in source else None,
        run="run" if "def run(" in source else None,
    )
    return Request(
        "0",
        str(Path("asked.py").absolute()),
        source,
        names,
        sys.executable,
        SECONDS,
        question.get("traceback"),
    )


def ask(question: dict[str, Any]) -> bytes:
    """Return a tool's diagnosis from a separate child process."""
    answers, answer = os.pipe()
    with tempfile.TemporaryDirectory() as scratch:
        child = os.fork()
        if child == 0:
            os.chdir(scratch)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            try:
                diagnosis = find_tool(question["tool"]).diagnose(request(question))
            except BaseException as error:  # noqa: BLE001  (any failure becomes the diagnosis)
                diagnosis = error_diagnosis(f"the adapter raised {error!r}")
            os.write(answer, msgspec.json.encode(diagnosis))
            os._exit(0)
        os.close(answer)
        with os.fdopen(answers, "rb") as pipe:
            received = pipe.read()
        os.waitpid(child, 0)
    return received


def main() -> None:
    """Answer the questions on standard input."""
    preload.configure()
    preload.warm_up()
    diagnoses = [json.loads(ask(question)) for question in json.load(sys.stdin)]
    json.dump(diagnoses, sys.stdout)
