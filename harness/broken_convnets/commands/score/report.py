"""The score of one tool in the terminal, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from broken_convnets.commands.score.metrics.scored_result import program_label
from broken_convnets.commands.score.protocol.messages import Severity
from broken_convnets.commands.trace.table import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from broken_convnets.commands.score.metrics.score import Score
    from broken_convnets.commands.score.metrics.vs_baseline import Exclusive
    from broken_convnets.commands.score.programs.tool_result import ToolResult

LISTED = 10  # programs per list

Line = tuple[str, str, str]  # label, figure, explanation


def report_lines(score: Score, results: Sequence[ToolResult] = ()) -> Iterator[RenderableType]:
    """Yield the figures of a score, then the programs that were missed, wrongly flagged, failed.

    `results` are the results behind the score; their messages appear beside the programs.
    """
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    for label, figure, explanation in _figures(score):
        table.add_row(Text(label), Text(figure), Text(explanation, style="dim"))
    yield table
    originals = [result for result in results if not result.program.variant]
    messages = {program_label(result.program): _message(result) for result in originals}
    silent = {
        result.program.entry
        for result in originals
        if result.program.truth and result.program.truth.silent
    }
    yield from _listed(
        "missed", {entry: "silent" if entry in silent else "" for entry in score.missed}
    )
    yield from _listed(
        "false positives", {one: messages.get(one, "") for one in score.wrongly_flagged}
    )
    yield from _listed("errors", {one: messages.get(one, "") for one in score.failed})


def _figures(score: Score) -> Iterator[Line]:
    yield "Youden's J", str(score.youden_j), "recall minus false positive rate; random answers: 0"
    yield "sides", score.sides, "of each pair are in this hand-out"
    yield "recall", str(score.recall.all), "broken programs that are flagged"
    yield "  raising", str(score.recall.raising), "programs that raise an exception"
    yield "  silent", str(score.recall.silent), "programs that raise nothing"
    if score.counts.unsupported:
        yield "  with declined", str(score.recall.with_declined), "counting declined as missed"
    yield "false positives", str(score.false_positives.all), "fixed programs and controls flagged"
    if score.with_warnings.false_positives.count > score.false_positives.all.count:
        figure = str(score.with_warnings.false_positives)
        yield "  with warnings", figure, "counting every warning as an alarm"
    yield from _localization(score)
    yield from _comparisons(score)
    yield "answered", str(score.counts.answered), _unanswered(score)
    if score.seconds:
        longest = f"median per program; longest {score.seconds.max:.3g}"
        yield "seconds", f"{score.seconds.median:.3g}", longest


def _localization(score: Score) -> Iterator[Line]:
    distinguished = str(score.pairs.distinguished)
    yield "pairs", distinguished, "the broken program has an alarm that the fixed one does not"
    yield "cause line", str(score.location.cause), "first line reported is a line to change"
    yield "symptom line", str(score.location.symptom), "first line reported is the line that raises"
    if score.location.layer.count:
        yield (
            "layer",
            str(score.location.layer),
            "first layer reported raises or contains the mistake",
        )
    constant = f"the topic alone counts half; the best constant answer: {score.kind.chance:.0%}"
    yield "kind", str(score.kind.points), constant
    offered = f"working fixes; {score.fixes.offered} offered"
    yield "fixes", str(score.fixes.working), offered
    if score.fixes.precision is not None:
        ratio = f"changed lines that the true fix also changes; size {score.fixes.size_ratio:.2g}x"
        yield "  precision", f"{score.fixes.precision:.0%}", ratio


def _comparisons(score: Score) -> Iterator[Line]:
    if score.vs_baseline:
        versus = score.vs_baseline
        exclusive = {
            "detected": versus.detected,
            "located": versus.located,
            "classified": versus.classified,
        }
        figures = ", ".join(f"{word} {exclusive_text(one)}" for word, one in exclusive.items())
        yield "vs baseline", figures, f"compared with a traceback on {versus.programs} programs"
    if score.early:
        yield "early", str(score.early), "flagged without running the code that fails"
    if score.robustness:
        stable, robust = score.robustness.same_verdict_if_detected, score.robustness
        yield "robustness", str(stable), "variants with the verdict of the flagged original"
        originals = f"original programs: {robust.original_recall}"
        yield "  recall", str(robust.variant_recall), originals
        if robust.variant_fixes and robust.original_fixes:
            yield (
                "  fixes",
                str(robust.variant_fixes),
                f"original programs: {robust.original_fixes}",
            )


def _unanswered(score: Score) -> str:
    counts = score.counts
    text = f"{counts.unsupported} declined, {counts.errors} errors"
    if counts.unreachable:
        text += f"; {counts.unreachable} fail before the tool can examine them"
    return text


def exclusive_text(exclusive: Exclusive) -> str:
    """Return how many programs the tool gained and lost against the baseline."""
    return f"+{len(exclusive.gained)} -{len(exclusive.lost)}"


def _message(result: ToolResult) -> str:
    alarms = (one.message for one in result.diagnosis.findings if one.severity is Severity.ERROR)
    return next(alarms, result.diagnosis.reason)


def _listed(title: str, programs: dict[str, str]) -> Iterator[RenderableType]:
    """Yield a list of programs, one line each, cut at the width of the terminal."""
    if not programs:
        return
    lines = [Text(f"\n{title}: {len(programs)}", style="bold")]
    for program, message in list(programs.items())[:LISTED]:
        remark = f"  {printable(' '.join(message.split()))}" if message else ""
        text = Text(f"  {printable(program)}", no_wrap=True, overflow="ellipsis")
        lines.append(text.append(remark, style="dim"))
    if len(programs) > LISTED:
        lines.append(Text(f"  and {len(programs) - LISTED} more, see --json", style="dim"))
    yield Group(*lines)  # printed alone, a Text would wrap in spite of no_wrap
