"""The report of verdicts in the terminal: a table, what differs, and a summary."""

from __future__ import annotations

from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from broken_convnets.util.terminal import microseconds
from broken_convnets.vocabulary import Verdict

if TYPE_CHECKING:
    from rich.console import JustifyMethod, RenderableType

    from broken_convnets.observe.facts import RuntimeInfo
    from broken_convnets.verdicts.collect import Outcome
    from broken_convnets.verdicts.judge import Mismatch
    from broken_convnets.verdicts.records import Record

MESSAGE_WIDTH = 20  # at least
COLUMN_GAP = 2


def outcome_table(outcomes: list[Outcome], width: int) -> Table:
    """Return a row per outcome: case, verdict, first line of the message, layer, forward time.

    `width` is that of the terminal, in characters.
    """
    rows: dict[str, list[Text]] = {
        "case": [Text(outcome.id) for outcome in outcomes],
        "device": [Text(outcome.device) for outcome in outcomes],
        "verdict": [
            Text(outcome.verdict, style="green" if outcome.verdict.as_declared else "bold red")
            for outcome in outcomes
        ],
        "message": [Text(short_message(outcome.record)) for outcome in outcomes],
        "layer": [
            Text(outcome.record.broken.layer if outcome.record.broken else "")
            for outcome in outcomes
        ],
        "forward": [Text(microseconds(outcome.forward_ns)) for outcome in outcomes],
    }
    if len({outcome.device for outcome in outcomes}) == 1:
        del rows["device"]
    widths = {name: max(map(len, [Text(name), *cells])) for name, cells in rows.items()}
    # In a narrow terminal only the message is shortened.
    rest = sum(widths.values()) - widths["message"] + COLUMN_GAP * (len(rows) - 1)
    widths["message"] = max(MESSAGE_WIDTH, min(widths["message"], width - rest))
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in rows:
        justify: JustifyMethod = "right" if name == "forward" else "left"
        table.add_column(
            name, width=widths[name], no_wrap=True, overflow="ellipsis", justify=justify
        )
    for row in zip(*rows.values(), strict=True):
        table.add_row(*row)
    return table


def short_message(record: Record) -> str:
    """Return the first line of the broken side's message, or the laws that it violates."""
    broken = record.broken
    if broken is None:
        return ""
    if broken.raises:
        return f"{broken.raises}: {broken.message.strip()}".splitlines()[0]
    return f"silent: violates {', '.join(broken.violates) or 'no law'}" if broken.output else ""


def failures(outcomes: list[Outcome]) -> RenderableType:
    """Return each outcome that is not as declared, with the declaration above what happened."""
    parts: list[RenderableType] = []
    for outcome in outcomes:
        if outcome.verdict.as_declared:
            continue
        title = Text(f"\n{outcome.id} on {outcome.device}: ", style="bold")
        parts.append(title.append(outcome.verdict, style="bold red"))
        invalid = outcome.verdict is Verdict.INVALID
        parts += [
            Text(f"  {wrong.what} {wrong.happened}") if invalid else _mismatch(wrong)
            for wrong in outcome.judgement.mismatches
        ]
        parts.append(Text(f"  next: {_next_command(outcome)}", style="cyan"))
    return Group(*parts)


def _mismatch(wrong: Mismatch) -> RenderableType:
    declared, happened = marked(wrong.declared, wrong.happened)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row(Text(f"{wrong.what}  declared", style="bold"), declared)
    table.add_row(Text("happened", style="bold", justify="right"), happened)
    return Padding(table, (0, 0, 0, 2))


def marked(declared: str, happened: str) -> tuple[Text, Text]:
    """Return both texts with the differing words underlined."""
    left, right = declared.split(), happened.split()
    texts = Text(), Text()
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        style = "" if tag == "equal" else "bold underline"
        for text, words in zip(texts, (left[a:b], right[c:d]), strict=True):
            for word in words:
                text.append(word, style=style).append(" ")
    return texts


def _next_command(outcome: Outcome) -> str:
    command = "broken-convnets"
    if outcome.verdict is Verdict.INVALID:
        return f"{command} lint"
    tree = "cases" if outcome.kind == "pair" else "controls"
    if outcome.verdict is Verdict.FIX_FAILED:
        tree = "fixes"
    return f"python {tree}/{outcome.id}.py, then {command} reproduce {outcome.id}"


def drifts(
    outcomes: list[Outcome], recorded: dict[str, str], runtime: RuntimeInfo
) -> RenderableType:
    """Return the differences from the records; `recorded` is their release by device."""
    parts: list[RenderableType] = []
    for outcome in outcomes:
        if not outcome.drift or not outcome.verdict.as_declared:
            continue
        then, now = f"torch {recorded[outcome.device]}", f"torch {runtime.torch}"
        title = f"\n{outcome.id} on {outcome.device}: as declared, but not as recorded"
        parts.append(Text(title, style="yellow"))
        for where, old, new in outcome.drift:
            was, is_now = marked(old, new)
            parts.append(Text(f"  {where}\n    recorded ({then}): ").append_text(was))
            parts.append(Text(f"    here ({now}): ").append_text(is_now))
    return Group(*parts)


def summary(outcomes: list[Outcome], seconds: float, runs: int) -> Text:
    """Return the last line: the number of outcomes per verdict, and the time."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    good = all(verdict.as_declared for verdict in counts)
    pairs, controls = counts.pop(Verdict.REPRODUCED, 0), counts.pop(Verdict.WORKS, 0)
    parts = [f"{pairs} pairs reproduced", f"{controls} controls work"]
    parts += [f"{count} {verdict}" for verdict, count in sorted(counts.items())]
    text = f"\n{', '.join(parts)}: {runs} runs in {seconds:.1f} s"
    return Text(text, style="bold green" if good else "bold red")
