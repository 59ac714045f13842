"""Report a generation: kept and rejected programs by class, by model and by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

    from broken_convnets.commands.wild.verify import Checked


@dataclass(frozen=True)
class Generation:
    """The programs that one command drew and checked, and what was requested."""

    checked: Sequence[Checked]
    count: int
    seed: int
    torch: str
    torchvision: str
    seconds: float
    interrupted: int  # exit code; 0 if the command was not interrupted

    @property
    def drawn(self) -> list[Checked]:
        """The programs that were verified or rejected."""
        return [one for one in self.checked if one.exists]

    @property
    def kept(self) -> list[Checked]:
        """The verified programs."""
        return [one for one in self.checked if one.case is not None]


def parts(generation: Generation) -> list[RenderableType]:
    """Return the tables and the summary for the terminal."""
    return [
        _table("mistake", "models", _counts(generation, _mistake, _model)),
        "",
        _table("model", "mistakes", _counts(generation, _model, _mistake)),
        "",
        *(f"rejected {count}: {reason}" for reason, count in reasons(generation).items()),
        _summary(generation),
    ]


def document(generation: Generation) -> dict[str, Any]:
    """Return everything about a generation except its programs, for --json and the manifest."""
    return {
        "seed": generation.seed,
        "count": generation.count,
        "torch": generation.torch,
        "torchvision": generation.torchvision,
        "drawn": len(generation.drawn),
        "rejected": reasons(generation),
        "programs": [
            {
                "id": one.draft.id,
                "number": one.draft.number,
                "of": one.draft.fault.case,
                "model": one.draft.original.host,
                "network": one.draft.original.wrapper,
                "run": one.draft.original.run,
            }
            for one in generation.kept
        ],
    }


def reasons(generation: Generation) -> dict[str, int]:
    """Return how many programs were rejected for each reason, the most frequent first."""
    found = Counter(one.reason for one in generation.drawn if one.case is None)
    kinds: Counter[str] = Counter()
    for reason, count in found.items():
        kinds[reason.partition(":")[0]] += count
    return dict(kinds.most_common())


def _mistake(one: Checked) -> str:
    return one.draft.fault.case


def _model(one: Checked) -> str:
    return one.draft.original.host


def _counts(
    generation: Generation, key: Callable[[Checked], str], other: Callable[[Checked], str]
) -> dict[str, tuple[int, int, int]]:
    """Return for each key its programs, the verified ones, and how many others these have."""
    drawn = Counter(map(key, generation.drawn))
    kept = Counter(map(key, generation.kept))
    pairs = Counter(name for name, _ in {(key(one), other(one)) for one in generation.kept})
    return {name: (drawn[name], kept[name], pairs[name]) for name in sorted(drawn)}


def _table(first: str, other: str, rows: dict[str, tuple[int, int, int]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in ("drawn", "verified", other):
        table.add_column(name, justify="right")
    for name, counts in rows.items():
        table.add_row(name, *map(str, counts))
    return table


def _summary(generation: Generation) -> str:
    drawn, kept = len(generation.drawn), len(generation.kept)
    share = f" ({kept / drawn:.1%})" if drawn else ""
    return (
        f"{kept} of {drawn} programs verified{share}, seed {generation.seed}; "
        f"{generation.seconds:.1f} s, torch {generation.torch}, "
        f"torchvision {generation.torchvision}"
    )
