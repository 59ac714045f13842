"""Score the bundled tools on programs made from real models, and record the figures.

    python -m experiments.measure_wild_scores [TOOL...] [--seed S] [--count N] [--tree DIR]

Writes `results/tools/wild/figures.toml` and the leaderboard that shows them beside the scores on
the corpus. By default, it scores every recorded tool that is installed, on both sides of each pair;
`nox -s wild_scores` runs it in the environment of each tool.
The programs are made first, which takes minutes; with `--tree` they are in a folder that
`broken-convnets wild --out` has written.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from broken_convnets.commands.score.leaderboard import write_leaderboard
from broken_convnets.commands.score.metrics.score import Score
from broken_convnets.commands.score.registry import bundled_tools, find_tool
from broken_convnets.commands.score.wild_figures import (
    ToolFigures,
    WildFigures,
    figures_of,
    read_figures,
    write_figures,
)
from broken_convnets.corpus.entries import load

ROOT = Path(__file__).parent.parent
RECORDS = ROOT / "results/tools"
MANIFEST = "wild.json"
COMMAND = [sys.executable, "-m", "broken_convnets"]


def made(tree: Path, seed: int, count: int) -> None:
    """Make the programs in a new folder."""
    numbers = ["--seed", str(seed), "--count", str(count)]
    subprocess.run([*COMMAND, "wild", *numbers, "--out", str(tree)], check=True)


def measured(tool: str, tree: Path, seed: int) -> ToolFigures:
    """Score a tool on the programs of a folder."""
    programs = ["--corpus", str(tree), "--both-sides", "--seed", str(seed)]
    command = [*COMMAND, "score", tool, *programs, "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return figures_of(msgspec.convert(json.loads(done.stdout)["score"], Score))


def combined(before: WildFigures | None, now: WildFigures) -> WildFigures:
    """Return the figures with those of other tools that were measured on the same programs."""
    if before is None or msgspec.structs.replace(before, tools=now.tools) != now:
        return now
    tools = dict(sorted({**before.tools, **now.tools}.items()))
    return msgspec.structs.replace(now, tools=tools)


def recorded_tools() -> list[str]:
    """Return the tools with a record on the corpus that are installed."""
    names = {path.stem for path in RECORDS.glob("*.toml")}
    return [name for name in bundled_tools() if name in names and not find_tool(name).missing()]


def main() -> int:
    """Make the programs, score the tools, and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tools", nargs="*", metavar="TOOL", default=recorded_tools())
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--tree", type=Path, help="programs that exist already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tree = options.tree or Path(scratch) / "wild"
        if not tree.exists():
            made(tree, options.seed, options.count)
        manifest = json.loads((tree / MANIFEST).read_text(encoding="utf-8"))
        figures = {name: measured(name, tree, manifest["seed"]) for name in options.tools}
    now = WildFigures(
        seed=manifest["seed"],
        count=manifest["count"],
        torch=manifest["torch"],
        torchvision=manifest["torchvision"],
        tools=figures,
    )
    print(write_figures(RECORDS, combined(read_figures(RECORDS), now)))
    print(write_leaderboard(load(ROOT), RECORDS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
