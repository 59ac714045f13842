"""What the tools score on programs made from real models, beside their scores on the corpus.

The programs are not stored: the record says which command makes them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.metrics.intervals import NO_RATE, Rate, RateDifference
from broken_convnets.util.toml_files import read_toml, write_toml

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.score.metrics.score import Score


class ToolFigures(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The figures of one tool on the programs."""

    version: str
    silent: Rate
    false_positives: Rate
    cause: Rate
    youden_j: RateDifference | None = None  # None if the tool declines all programs of a side


class WildFigures(Struct, frozen=True, forbid_unknown_fields=True):
    """The figures of tools on the programs that `wild --seed SEED --count COUNT` makes."""

    seed: int
    count: int
    torch: str
    torchvision: str
    tools: dict[str, ToolFigures]


def figures_of(score: Score) -> ToolFigures:
    """Return what is recorded of a score."""
    return ToolFigures(
        version=score.version,
        youden_j=None if score.youden_j.value is None else score.youden_j,
        silent=score.recall.silent,
        false_positives=score.false_positives.all,
        cause=score.location.cause,
    )


def figures_path(folder: Path) -> Path:
    """Return the path of the figures in the folder of the records."""
    return folder / "wild" / "figures.toml"


def read_figures(folder: Path) -> WildFigures | None:
    """Return the recorded figures; None without any. Raises RecordError if they are invalid."""
    path = figures_path(folder)
    try:
        return read_toml(path, WildFigures, "delete the file, or measure again")
    except FileNotFoundError:
        return None


def write_figures(folder: Path, figures: WildFigures) -> Path:
    """Write the figures, and return their path."""
    write_toml(figures_path(folder), figures)
    return figures_path(folder)


def rows(figures: WildFigures, names: dict[str, str], scores: dict[str, Score]) -> list[list[str]]:
    """Return a row for each tool with both scores: `names` are shown, in their order."""
    head = ["tool"]
    for figure in ("Youden's J", "silent", "false positives", "cause line"):
        head += [f"{figure}, corpus", f"{figure}, wild"]
    body = []
    for tool, name in names.items():
        wild = figures.tools.get(tool)
        if wild:
            corpus = figures_of(scores[tool])
            body.append([name, *_cells(corpus, wild)])
    return [head, *body]


def _cells(corpus: ToolFigures, wild: ToolFigures) -> list[str]:
    pairs = (
        (corpus.youden_j, wild.youden_j),
        (corpus.silent, wild.silent),
        (corpus.false_positives, wild.false_positives),
        (corpus.cause, wild.cause),
    )
    return [str(figure or NO_RATE) for pair in pairs for figure in pair]
