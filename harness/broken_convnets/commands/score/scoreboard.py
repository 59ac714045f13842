"""What a person sees of one tool's score in the terminal: one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from broken_convnets.commands.score.answers import name
from broken_convnets.commands.score.protocol import Severity
from broken_convnets.commands.trace.table import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from broken_convnets.commands.score.result import Result
    from broken_convnets.commands.score.scoring import Score
    from broken_convnets.commands.score.vs_baseline import Change

LISTED = 10  # programs of one kind that are named


def lines(score: Score, results: Sequence[Result] = ()) -> Iterator[RenderableType]:
    """Yield the figures of a score, then what was missed, alarmed and failed.

    `results` are those that the score is of; they say what the alarms and failures were.
    """
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    for label, figure, remark in _figures(score):
        table.add_row(Text(label), Text(figure), Text(remark, style="dim"))
    yield table
    words = {
        name(result.program): _said(result) for result in results if not result.program.variant
    }
    silent = {
        result.program.entry
        for result in results
        if result.program.truth and result.program.truth.silent
    }
    missed = {entry: "silent" if entry in silent else "" for entry in score.missed}
    yield from _listed("missed", missed)
    yield from _listed("false alarms", {one: words.get(one, "") for one in score.alarmed})
    yield from _listed("it broke down over", {one: words.get(one, "") for one in score.failed})


def _figures(score: Score) -> Iterator[tuple[str, str, str]]:
    place, twins, counts = score.place, score.twins, score.counts
    yield "headline", str(score.headline), "recall minus false alarms: 0 for any coin"
    yield "recall", str(score.recall.all), "broken programs that are flagged"
    yield "  loud", str(score.recall.loud), "running them raises"
    yield "  silent", str(score.recall.silent), "running them raises nothing"
    if counts.unsupported:
        yield "  of all asked", str(score.recall.asked), "were each declined program a miss"
    yield "false alarms", str(score.alarms.all), "fixed programs and controls"
    if score.warned.healthy.count > score.alarms.all.count:
        yield "  with warnings", str(score.warned.healthy), "were each warning an alarm"
    yield "told apart", str(twins.told_apart), "pairs: not the same words about the fixed one"
    yield "cause line", str(place.cause), "the first line it names is one to change"
    yield "symptom line", str(place.symptom), "... is the one that raises"
    if place.module.count:
        yield "layer", str(place.module), "the first layer it names is the one that raises"
    yield "kind", str(score.cause.points), "of mistake; half a point for the topic"
    yield (
        "repaired",
        str(score.repair.works),
        f"obey the laws; {score.repair.offered} fixes offered",
    )
    yield from _comparisons(score)
    declined = f"{counts.unsupported} declined, {counts.errors} errors"
    void = f"; {counts.void} fail before it could see them" if counts.void else ""
    yield "answered", str(counts.answered), declined + void
    if score.seconds:
        longest = f"longest {score.seconds.max:.3g}"
        yield "seconds", f"{score.seconds.median:.3g}", f"a program in the middle; {longest}"


def _comparisons(score: Score) -> Iterator[tuple[str, str, str]]:
    if score.lift:
        lift = score.lift
        changes = {"flags": lift.flags, "places": lift.places, "names": lift.names}
        figures = ", ".join(f"{word} {change_text(one)}" for word, one in changes.items())
        yield "lift", figures, f"beyond a plain traceback, of {lift.of}"
    if score.early:
        yield "early", str(score.early), "flagged without running what fails"
    if score.robustness:
        robust = score.robustness
        yield "kept", str(robust.kept), "verdicts that hold when a flagged program is respelled"
        yield "  recall there", str(robust.variants), f"originals: {robust.originals}"


def change_text(change: Change) -> str:
    """Return what a tool gained and lost against the baseline."""
    return f"+{len(change.gained)} -{len(change.lost)}"


def _said(result: Result) -> str:
    found = (one.message for one in result.diagnosis.findings if one.severity is Severity.ERROR)
    return next(found, result.diagnosis.reason)


def _listed(title: str, programs: dict[str, str]) -> Iterator[Text]:
    if not programs:
        return
    yield Text(f"\n{title}: {len(programs)}", style="bold")
    for program, words in list(programs.items())[:LISTED]:
        remark = f"  {printable(' '.join(words.split()))}" if words else ""
        text = Text(f"  {printable(program)}", no_wrap=True, overflow="ellipsis")
        yield text.append(remark, style="dim")
    if len(programs) > LISTED:
        yield Text(f"  and {len(programs) - LISTED} more: --json names them all", style="dim")
