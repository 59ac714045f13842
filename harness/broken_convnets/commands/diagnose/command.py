"""The `diagnose` command: run a program once, and say what is wrong, where, and how to fix it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.diagnose.diagnosis import Diagnosis
from broken_convnets.commands.diagnose.document import document, json_schema
from broken_convnets.commands.diagnose.examine import examine_run
from broken_convnets.commands.diagnose.repair import Repair
from broken_convnets.commands.diagnose.report import report_lines
from broken_convnets.commands.diagnose.user_program import UserProgram
from broken_convnets.observe.runner import open_torch_runner
from broken_convnets.sandbox.job import Limits
from broken_convnets.util import terminal
from broken_convnets.util.argument_types import cpu_count, seconds
from broken_convnets.util.json_output import as_json, print_json

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.examine import ExaminedRun

LEAST_BUDGET = 10.0  # seconds
BUDGET_FACTOR = 3.0  # times the program's own time


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.usage = "%(prog)s [options] (SCRIPT | -m MODULE) [ARGUMENT ...]"
    parser.add_argument("-m", action="store_true", help="run a module, as `python -m` does")
    parser.add_argument(
        "--no-fix", action="store_true", help="do not run the program again to verify fixes"
    )
    parser.add_argument(
        "--budget",
        type=seconds,
        metavar="SECONDS",
        help="time for verifying fixes (default: 3 times the program's own, at least 10)",
    )
    parser.add_argument(
        "--apply",
        action="store_true",
        help="write the best verified fix to the files; the old ones are kept as FILE.orig",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document to stdout; what the program prints goes to stderr",
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema and exit")
    parser.add_argument("program", nargs="?", help="the file to run, or with -m the module")
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="arguments passed on to the program"
    )
