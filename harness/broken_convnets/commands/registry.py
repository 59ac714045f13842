"""The registry of commands: their groups, a line of help each, and the libraries they need.

The command NAME is the module `commands/NAME/command.py`, which defines `add_options(parser)` and
`run(options)`. It is imported only when the command line names it.
"""

from __future__ import annotations

from dataclasses import dataclass

RUNS_THE_CORPUS = ("torch", "torchvision", "numpy", "PIL")


@dataclass(frozen=True)
class Command:
    """One command; `needs` are top-level modules of the optional dependencies."""

    help: str
    needs: tuple[str, ...] = ()


GROUPS = {
    "Your own program": {
        "diagnose": Command(
            "run a program, and say what is wrong, which line causes it, and how to fix it",
            ("torch",),
        ),
        "explain": Command("find the mistake behind an error message or a traceback"),
        "trace": Command("run a program and show the inputs and output of every layer", ("torch",)),
    },
    "Look up": {
        "list": Command("list the cases and controls"),
        "show": Command("show everything about one case or control"),
        "site": Command("write the corpus and its results as static web pages"),
    },
    "Verify": {
        "reproduce": Command(
            "check that every case fails as declared and every fix works", RUNS_THE_CORPUS
        ),
        "cost": Command(
            "count operators and memory of forward passes, and compare with the baseline",
            RUNS_THE_CORPUS,
        ),
        "bench": Command("compare the run times of forward passes", RUNS_THE_CORPUS),
    },
    "Learn": {
        "learn": Command("fix broken programs one by one, graded on every save", RUNS_THE_CORPUS),
        "export": Command("write a notebook for a class, or tasks for agents"),
    },
    "Evaluate tools": {
        "score": Command("score a diagnostic tool on the programs of the corpus", RUNS_THE_CORPUS),
        "programs": Command("write the programs for a diagnostic tool that runs elsewhere"),
        "variants": Command("generate verified variants of the programs", RUNS_THE_CORPUS),
        "wild": Command("inject mistakes of the corpus into real models", RUNS_THE_CORPUS),
    },
    "Author": {
        "new": Command("create the files of a new case"),
        "lint": Command("check the corpus files against the case format"),
        "coverage": Command("compare the corpus with real reports of failing networks"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}
