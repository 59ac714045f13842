"""Several tools side by side: the page `results/tools/README.md`, made of their scores."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.score.intervals import NO_RATE
from broken_convnets.commands.score.scoreboard import change_text
from broken_convnets.commands.trace.table import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broken_convnets.commands.score.scoring import Score

PAGE = "results/tools/README.md"
HEAD = """\
# How diagnostic tools do on the corpus

Made by `broken-convnets score TOOL --update`; do not edit. `docs/scoring.md` says what each
figure is. A figure is the count, the share, and in brackets the interval that holds the true
share in 95 of 100 such samples. Tools are ordered by the lower end of the headline's interval,
so that few answers lead nobody to the top.
"""
LIMITS = """\
## What this does not say

- It is no buying guide. The programs are minimal, with one mistake each; yours are neither.
- The samples are small. Where two intervals overlap widely, the order means nothing.
- Tools that work from different things are not comparable: to read a program is harder than to
  run it, and who runs it has found every loud mistake. Lift and silent recall say more.
- Annotated programs state the true shapes. Few programs in the wild do.
- What a tool declines counts neither for nor against it, but in the recall of all asked: read
  every figure beside `answered`.
- The corpus is public. A tool that knows it by heart is seen only on variants.
- Somebody had to say which lines are the cause, and of which kind a mistake is. Others may differ.
"""

Columns = dict[str, "Callable[[Score], str]"]
Ranked = list[tuple[str, "Score"]]  # the tool as it is shown, and its score

DETECTION: Columns = {
    "works from": lambda score: ", ".join(score.needs),
    "headline": lambda score: str(score.headline),
    "recall": lambda score: str(score.recall.all),
    "loud": lambda score: str(score.recall.loud),
    "silent": lambda score: str(score.recall.silent),
    "false alarms": lambda score: str(score.alarms.all),
    "recall of all asked": lambda score: str(score.recall.asked),
    "answered": lambda score: str(score.counts.answered),
}
DIAGNOSIS: Columns = {
    "pairs told apart": lambda score: str(score.twins.told_apart),
    "cause line": lambda score: str(score.place.cause),
    "symptom line": lambda score: str(score.place.symptom),
    "layer": lambda score: str(score.place.module),
    "lines away": lambda score: _number(score.place.distance),
    "kind": lambda score: str(score.cause.points),
    "repaired": lambda score: str(score.repair.works),
}
COMPARISON: Columns = {
    "flags": lambda score: change_text(score.lift.flags) if score.lift else "",
    "places": lambda score: change_text(score.lift.places) if score.lift else "",
    "names": lambda score: change_text(score.lift.names) if score.lift else "",
    "of": lambda score: str(score.lift.of) if score.lift else "",
    "early": lambda score: str(score.early) if score.early else "",
    "verdicts kept on variants": lambda score: (
        str(score.robustness.kept) if score.robustness else "not tried"
    ),
    "recall with warnings": lambda score: str(score.warned.broken),
    "false alarms with warnings": lambda score: str(score.warned.healthy),
}


def page(scores: Sequence[Score], baseline: str) -> str:
    """Return the page: who finds what, who explains it, what is new in it, and by topic.

    `baseline` is the name of the tool that the others are held against. Seconds are left out,
    since they differ from run to run.
    """
    ranked = [(_name(score, baseline), score) for score in sorted(scores, key=_rank)]
    parts = [
        HEAD,
        "## Who tells broken programs from healthy ones\n",
        _columns(ranked, DETECTION),
        "## Who says where the mistake is, and what it is\n",
        _columns(ranked, DIAGNOSIS),
        "## What is new in it\n",
        "Against the baseline: programs that only the tool gets right, and only the baseline.\n",
        _columns(ranked, COMPARISON),
        "## By topic: broken programs flagged; healthy programs flagged\n",
        _by_topic(ranked),
        LIMITS,
    ]
    return "\n".join(parts)


def _rank(score: Score) -> tuple[bool, float, str]:
    return score.headline.value is None, -score.headline.low, score.tool


def _name(score: Score, baseline: str) -> str:
    named = score.version.startswith((f"{score.tool} ", f"{score.tool.replace('_', '-')} "))
    text = escaped(score.version if named else f"{score.tool} {score.version}".strip())
    return f"**{text}** (baseline)" if score.tool == baseline else text


def _columns(ranked: Ranked, columns: Columns) -> str:
    rows = [[name, *(cell(score) for cell in columns.values())] for name, score in ranked]
    return _table([["tool", *columns], *rows])


def _by_topic(ranked: Ranked) -> str:
    topics = sorted({topic for _, score in ranked for topic in score.topics})
    rows = [[escaped(topic), *(_topic(score, topic) for _, score in ranked)] for topic in topics]
    return _table([["topic", *(name for name, _ in ranked)], *rows])


def _topic(score: Score, topic: str) -> str:
    found = score.topics.get(topic)
    if found is None:
        return NO_RATE
    recall, alarms = found.recall, found.alarms
    return f"{recall.count:g} of {recall.of}; {alarms.count:g} of {alarms.of}"


def _number(value: float | None) -> str:
    return NO_RATE if value is None else f"{value:g}"


def _table(rows: list[list[str]]) -> str:
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


_MARKUP = re.compile(r"(?!(?<=\d)\.(?=\d))[^A-Za-z0-9 -]")  # the points of a version may stay


def escaped(text: str) -> str:
    """Return text from a tool, bounded, as Markdown in which none of it is markup.

    A character reference never begins a link, a tag, a cell or an emphasis.
    """
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", printable(text))
