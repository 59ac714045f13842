"""Ask bundled tools in forked children: questions as JSON on standard input, answers as JSON.

Their modes, hooks and caches are global, so neither pytest's process nor another question's
may share them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from broken_convnets.commands.score.protocol.messages import ProgramNames, Request
from broken_convnets.commands.score.protocol.validation import error_diagnosis
from broken_convnets.commands.score.registry import find_tool
from broken_convnets.observe import preload

SECONDS = 60.0


def request(question: dict[str, Any]) -> Request:
    """Write a question's program into the working directory."""
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
    """Return a tool's answer from a child of its own."""
    answers, answer = os.pipe()
    with tempfile.TemporaryDirectory() as scratch:
        child = os.fork()
        if child == 0:
            os.chdir(scratch)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            try:
                told = find_tool(question["tool"]).diagnose(request(question))
            except BaseException as error:  # noqa: BLE001  (it is an answer too)
                told = error_diagnosis(f"the adapter raised {error!r}")
            os.write(answer, msgspec.json.encode(told))
            os._exit(0)
        os.close(answer)
        with os.fdopen(answers, "rb") as pipe:
            told_us = pipe.read()
        os.waitpid(child, 0)
    return told_us


if __name__ == "__main__":
    preload.configure()
    preload.warm_up()
    given = [json.loads(ask(question)) for question in json.load(sys.stdin)]
    json.dump(given, sys.stdout)
