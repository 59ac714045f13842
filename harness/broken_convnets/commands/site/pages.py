"""The pages of the site: for each one its path, its template and the template's variables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from broken_convnets.commands.bench import stored
from broken_convnets.commands.show.page import symptom_line
from broken_convnets.commands.site import (
    code,
    entries,
    releases,
    scoreboard,
    symptoms,
    timings,
    trace_svg,
)
from broken_convnets.commands.site.changed_messages import changed_messages
from broken_convnets.commands.site.library import SCOREBOARD, title_of
from broken_convnets.commands.site.sections import TOPICS
from broken_convnets.commands.site.trace_diff import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.site.library import Item, Library
    from broken_convnets.corpus.entries import Case, Control
    from broken_convnets.corpus.guides import Guide
    from broken_convnets.verdicts.records import Side

SIMILAR = 8  # cases that a page lists as similar


@dataclass(frozen=True)
class Page:
    """One file of the site."""

    path: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The relative path from the page to the front page's folder."""
        return "../" * self.path.count("/")


def pages(library: Library) -> Iterator[Page]:
    """Yield every page."""
    yield Page("index.html", "index.html", _front(library))
    for case in library.cases:
        yield Page(f"{case.id}.html", "case.html", _case(library, case))
    for control in library.controls:
        yield Page(f"{control.id}.html", "control.html", _control(library, control))
    for guide in library.guides.values():
        yield Page(f"{guide.id}.html", "guide.html", _guide(library, guide))
    yield Page("myths.html", "myths.html", {"controls": library.controls})
    yield from _symptoms(library)
    for name, text in library.documents.items():
        yield _scoreboard(library, text) if name == SCOREBOARD else _document(name, text)
    if library.baselines:
        shown = releases.context(library.baselines, library.corpus.entries)
        yield Page("releases.html", "releases.html", shown)
        changed = changed_messages(library.baselines)
        yield Page("messages.html", "messages.html", {"changed": changed})
    if library.timings:
        yield Page("timings.html", "timings.html", _timings(library))


def _document(name: str, text: str) -> Page:
    return Page(f"{name}.html", "document.html", {"title": title_of(text, name), "text": text})


def _scoreboard(library: Library, text: str) -> Page:
    """Return the leaderboard, with a chart of the records before its tables."""
    head, rest = scoreboard.split_head(text)
    context = {
        "title": title_of(text, SCOREBOARD),
        "head": head,
        "bars": scoreboard.chart(library.scores),
        "columns": list(scoreboard.RATES),
        "rest": rest,
    }
    return Page(f"{SCOREBOARD}.html", "scoreboard.html", context)


def _symptoms(library: Library) -> Iterator[Page]:
    """Yield a page for each symptom, and one that lists them."""
    found = symptoms.symptom_pages(library)
    if found:
        yield Page("symptoms.html", "symptoms.html", {"symptoms": found})
    for page in found:
        yield Page(page.path, "symptom.html", page.context())


def _front(library: Library) -> dict[str, Any]:
    items = library.items.values()
    return {
        "items": items,
        "guides": library.guide_items,
        "by_topic": {
            topic: sorted((item for item in items if item.topic == topic), key=_overview_order)
            for topic in sorted({item.topic for item in items})
        },
        "stages": sorted({item.stage for item in items} - {"silent"}),
        "silent": sum(item.stage == "silent" for item in items),
        "releases": list(
            dict.fromkeys(entries.release_name(baseline) for baseline in library.baselines)
        ),
        "controls": len(library.controls),
        "topics": TOPICS,
    }


def _overview_order(item: Item) -> tuple[bool, int]:
    return (item.stage == "silent", item.level)


def _case(library: Library, case: Case) -> dict[str, Any]:
    latest = entries.latest(library.baselines, case.id)
    record = latest.record if latest else None
    items = library.items
    in_topic = [name for name in items if items[name].topic == items[case.id].topic]
    place = in_topic.index(case.id)
    sentences = [stored.sentence(times, case.id) for times in library.run_times]
    return {
        "case": case,
        "item": items[case.id],
        "messages": entries.messages(case, library.baselines),
        "deviations": entries.deviations(case.id, library.baselines),
        "where_run": entries.where_run(case.id, library.baselines),
        "silent": entries.is_silent(case),
        "violates": sorted(case.spec.broken.violates),
        "pair": code.side_by_side(case.broken, case.fixed, symptom_line(case)),
        "symptom": symptom_line(case),
        "lines_below_mistake": entries.lines_below_mistake(case),
        "obeys": entries.descriptions(record.fixed.holds if record and record.fixed else []),
        "release": latest.release if latest else "",
        "run_times": list(filter(None, sentences)),
        "similar": [items[name] for name in library.similar[case.id][:SIMILAR]],
        "previous": items[in_topic[place - 1]] if place else None,
        "next": items[in_topic[place + 1]] if place + 1 < len(in_topic) else None,
        **_traces(record.broken if record else None, record.fixed if record else None),
        **_download("cases", case.id, case.broken, "broken"),
        **_download("fixes", case.id, case.fixed, "fixed"),
    }


def _control(library: Library, control: Control) -> dict[str, Any]:
    latest = entries.latest(library.baselines, control.id)
    side = latest.record.fixed if latest else None
    return {
        "control": control,
        "lines": code.lines(control.source),
        "obeys": entries.descriptions(side.holds if side else []),
        "deviations": entries.deviations(control.id, library.baselines),
        "where_run": entries.where_run(control.id, library.baselines),
        "release": latest.release if latest else "",
        **_traces(side, side),
        **_download("controls", control.id, control.source, "fixed"),
    }


def _guide(library: Library, guide: Guide) -> dict[str, Any]:
    titles = {name: entry.spec.title for name, entry in library.corpus.entries.items()}
    return {
        "guide": guide,
        "topic": guide.id.partition("/")[0],
        "related": [(name, titles[name]) for name in guide.spec.related if name in titles],
    }


def _traces(broken: Side | None, fixed: Side | None) -> dict[str, Any]:
    """Return the traces of both sides as pictures and text, or one if they are equal."""
    if broken is None or fixed is None or not (broken.layers or fixed.layers):
        return {"pictures": {}, "traces": {}}
    diff = compare(broken, fixed)
    if diff.first is None:
        picture = trace_svg.draw(diff, "fixed", "Layer trace, equal for both programs")
        return {"pictures": {"both": picture}, "traces": {"both": fixed.layers}}
    titles = {
        "broken": "Layer trace of the broken program",
        "fixed": "Layer trace of the fixed program",
    }
    return {
        "pictures": {side: trace_svg.draw(diff, side, title) for side, title in titles.items()},
        "traces": {"broken": broken.layers, "fixed": fixed.layers},
    }


def _download(tree: str, name: str, source: str, side: str) -> dict[str, str]:
    """Return a path and a link that contains the program: `download` works from a file, too."""
    return {
        f"{side}_file": f"{tree}/{name}.py",
        f"{side}_data": f"data:text/x-python;charset=utf-8,{quote(source)}",
    }


def _timings(library: Library) -> dict[str, Any]:
    machines = [
        {
            "machine": timing.machine_info,
            "plot": timings.plot(timing),
            "medians": timings.medians(timing),
            "count": len(timings.plotted(timing)),
        }
        for timing in library.timings
    ]
    words = {"duration": timings.duration, "sizes": timings.SIZES}
    return {"machines": machines, "known": library.corpus.entries, **words}
