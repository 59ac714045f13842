"""What a person sees in the terminal: progress, tables, an entry's page."""

from __future__ import annotations

from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .corpus import Case
from .diff import hunks
from .places import lines_of
from .vocabulary import Stage, Verdict

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from .bench import Row
    from .corpus import Control, Corpus, Entry
    from .facts import Hello
    from .records import Record
    from .reproduce import Outcome
    from .spec import Seen
    from .verify import Mismatch

WIDTH = 132  # where the output is no terminal
MESSAGE_WIDTH = 20  # at least
COLUMN_GAP = 2


def console(*, stderr: bool = False) -> Console:
    """Return a console that keeps to NO_COLOR and does not wrap too early in a file."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH)


def outcome_table(outcomes: list[Outcome], width: int) -> Table:
    """Return a row per outcome: case, verdict, message in short, layer, forward time.

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
        "forward": [Text(_microseconds(outcome.forward_ns)) for outcome in outcomes],
    }
    if len({outcome.device for outcome in outcomes}) == 1:
        del rows["device"]
    widths = {name: max(map(len, [Text(name), *cells])) for name, cells in rows.items()}
    # Where the terminal is narrow, the message gives way and nothing else.
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
    """Return the first line of what the broken side said, or the laws it broke."""
    broken = record.broken
    if broken is None:
        return ""
    if broken.raises:
        return f"{broken.raises}: {broken.says.strip()}".splitlines()[0]
    return f"silent: breaks {', '.join(broken.breaks) or 'no law'}" if broken.output else ""


def _microseconds(nanoseconds: float | None) -> str:
    return "" if nanoseconds is None else f"{nanoseconds / 1000:,.0f} µs"


def failures(outcomes: list[Outcome]) -> RenderableType:
    """Return, for each outcome that is not as declared, declared above happened."""
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
    """Return both texts with the words underlined that differ."""
    left, right = declared.split(), happened.split()
    texts = Text(), Text()
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        style = "" if tag == "equal" else "bold underline"
        for text, words in zip(texts, (left[a:b], right[c:d]), strict=True):
            for word in words:
                text.append(word, style=style).append(" ")
    return texts


def _next_command(outcome: Outcome) -> str:
    command = "python -m harness"
    if outcome.verdict is Verdict.INVALID:
        return f"{command} lint"
    tree = "cases" if outcome.kind == "pair" else "controls"
    if outcome.verdict is Verdict.FIX_FAILED:
        tree = "fixes"
    return f"python {tree}/{outcome.id}.py, then {command} reproduce {outcome.id}"


def drifts(outcomes: list[Outcome], recorded: dict[str, str], hello: Hello) -> RenderableType:
    """Return what differs from the records; `recorded` names their release by device."""
    parts: list[RenderableType] = []
    for outcome in outcomes:
        if not outcome.drift or not outcome.verdict.as_declared:
            continue
        then, now = f"torch {recorded[outcome.device]}", f"torch {hello.torch}"
        title = f"\n{outcome.id} on {outcome.device}: as declared, but not as recorded"
        parts.append(Text(title, style="yellow"))
        for where, old, new in outcome.drift:
            was, is_now = marked(old, new)
            parts.append(Text(f"  {where}\n    recorded ({then}): ").append_text(was))
            parts.append(Text(f"    here ({now}): ").append_text(is_now))
    return Group(*parts)


def summary(outcomes: list[Outcome], seconds: float, runs: int) -> Text:
    """Return the last line: how many of what, and how long it took."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    good = all(verdict.as_declared for verdict in counts)
    pairs, controls = counts.pop(Verdict.REPRODUCED, 0), counts.pop(Verdict.WORKS, 0)
    parts = [f"{pairs} pairs reproduced", f"{controls} controls work"]
    parts += [f"{count} {verdict}" for verdict, count in sorted(counts.items())]
    text = f"\n{', '.join(parts)}: {runs} runs in {seconds:.1f} s"
    return Text(text, style="bold green" if good else "bold red")


def comparison_table(rows: list[Row]) -> Table:
    """Return a row per entry: how the sides compare, or why nothing can be said."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("case", "verdict", "new / old", "interval", "old / old", "note"):
        table.add_column(name, no_wrap=name != "note")
    for row in rows:
        found = row.comparison
        if found is None:
            failure = "" if row.failure_ns is None else _microseconds(row.failure_ns)
            note = f"fails within {failure}" if failure else row.reason
            table.add_row(row.id, *[""] * 4, Text(note))
            continue
        style = {"slower": "bold red", "faster": "green"}.get(found.speed, "")
        table.add_row(
            row.id,
            Text(found.speed, style=style),
            f"{found.ratio.median:.3f}",
            f"{found.ratio.low:.3f} to {found.ratio.high:.3f}",
            f"{found.self_check.low:.3f} to {found.self_check.high:.3f}",
            Text(found.reason),
        )
    return table


def entry_table(corpus: Corpus, ids: list[str]) -> Table:
    """Return a row per entry: id, level, stage, title."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "level", "stage", "title"):
        table.add_column(name, no_wrap=name != "title")
    for name in ids:
        entry = corpus.entries.get(name)
        if entry is None:
            table.add_row(name, "", "", Text("invalid: see `python -m harness lint`", style="red"))
            continue
        stage = entry.spec.broken.stage if isinstance(entry, Case) else "control"
        table.add_row(name, str(entry.spec.level), stage, Text(entry.spec.title))
    return table


def page(entry: Entry, record: Record | None, release: str, times: str = "") -> RenderableType:
    """Return all that is known about one entry; `times` is a sentence about its times."""
    if isinstance(entry, Case):
        return _case_page(entry, record, release, times)
    return _control_page(entry)


def _case_page(case: Case, record: Record | None, release: str, times: str) -> RenderableType:
    spec = case.spec
    broken = spec.broken
    parts: list[RenderableType] = [Text(f"{case.id}: {spec.title}", style="bold")]
    if broken.stage is Stage.SILENT:
        parts += [
            Text(f"Nothing is raised, but {law} is broken: {law.promise}")
            for law in sorted(broken.violates)
        ]
    else:
        says = record.broken.says if record and record.broken else broken.says or ""
        where = f"stage {broken.stage}" + (f", layer {broken.layer}" if broken.layer else "")
        parts.append(Text(f"{broken.raises} ({where})", style="red"))
        parts.append(Padding(Text(says), (0, 0, 0, 2)))
    if spec.seen:
        parts += [_heading("Other releases say"), *map(_seen, spec.seen)]
    parts += [Text(""), source_diff(case)]
    if record and record.broken and record.broken.layers:
        parts += [_heading(f"What each layer took and gave (torch {release})")]
        parts += [Text(f"  {line}") for line in record.broken.layers]
    if times:
        parts += [_heading("How long it takes"), Text(times)]
    parts += [_heading("What it means"), Text(spec.why)]
    parts += [_heading("How to find it next time"), Text(spec.diagnose)]
    parts += [_heading("Ask"), Text(spec.tell)]
    parts += [_heading("Where people met it"), *(Text(f"  {url}") for url in spec.sources)]
    parts += [_heading("Run it"), Text(f"  python cases/{case.id}.py")]
    return Group(*parts)


def _seen(seen: Seen) -> Padding:
    text = Text(seen.says)
    text.append(f"  (torch {seen.torch})" if seen.torch else "", style="dim")
    return Padding(text, (0, 0, 0, 2))


def _control_page(control: Control) -> RenderableType:
    spec = control.spec
    parts: list[RenderableType] = [Text(f"{control.id}: {spec.title}", style="bold")]
    parts += [_heading("People say"), Text(f"  “{spec.claim}”")]
    parts += [_heading("What is true"), Text(spec.truth)]
    parts += [_heading("The proof"), *(Text(f"  {line}") for line in control.source.splitlines())]
    parts += [_heading("Run it"), Text(f"  python controls/{control.id}.py")]
    return Group(*parts)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def source_diff(case: Case) -> Text:
    """Return the case's source with the fix's changes, and a mark where it raises."""
    old, new = case.broken.splitlines(), case.fixed.splitlines()
    changes = {hunk.broken_start: hunk for hunk in hunks(case.broken, case.fixed)}
    symptom = symptom_line(case)
    text, index = Text(), 0
    while index < len(old) or index in changes:
        hunk = changes.pop(index, None)
        stop = hunk.broken_stop if hunk else index + 1
        for number in range(index, stop):
            sign, style = ("- ", "red") if hunk else ("  ", "")
            text.append(f"{number + 1:3} {sign}{old[number]}", style=style)
            text.append("   ◄ raises here" if number + 1 == symptom else "", style="bold red")
            text.append("\n")
        if hunk:
            for line in new[hunk.fixed_start : hunk.fixed_stop]:
                text.append(f"    + {line}\n", style="green")
        index = stop
    return text


def symptom_line(case: Case) -> int | None:
    """Return the line of the case, from 1, that holds the failing expression."""
    return min(lines_of(case.spec.broken.at or "", case.broken), default=None)
