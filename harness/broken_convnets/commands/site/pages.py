"""Say which pages the site has, and what each one shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from broken_convnets.commands.bench import stored
from broken_convnets.commands.show.page import symptom_line
from broken_convnets.commands.site import code, entries, releases, svg, timings
from broken_convnets.commands.site.journey import journey
from broken_convnets.commands.site.prose import Prose, page_of
from broken_convnets.corpus.entries import Case, Control
from broken_convnets.corpus.locations import results_to_read
from broken_convnets.verdicts import matrix
from broken_convnets.verdicts.records import read_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus
    from broken_convnets.verdicts.records import Side

MESSAGE = 140  # characters of a message in a list
ALIKE = 8  # cases that a page lists as alike
SCOREBOARD = "tools/README.md"  # in results/, where scores are recorded
TAKEN = {"index", "myths", "releases", "timings", "scoreboard"}  # names of pages of our own
NAMED = {"why-none", "scoreboard", "verification"}  # documents that base.html links by itself


@dataclass(frozen=True)
class Page:
    """One file of the site: where, from which template, with what."""

    path: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """Return what leads from the page to the front page."""
        return "../" * self.path.count("/")


@dataclass(frozen=True)
class Item:
    """An entry in a list."""

    id: str
    title: str
    level: int
    stage: str
    message: str
    tell: str = ""

    @property
    def topic(self) -> str:
        """Return the folder that it is in."""
        return self.id.partition("/")[0]


class Library:
    """The corpus and all that is known about it, ready for pages."""

    def __init__(self, corpus: Corpus) -> None:
        """Read the records; raises RecordError where one is damaged."""
        self.corpus = corpus
        results = results_to_read(corpus.root)
        self.books = read_all(results)
        self.timings = timings.read(results)
        self.costs = [stored.read(results, name) for name in matrix.DEVICES]
        self.documents = _documents(corpus.root)
        self.prose = Prose(corpus.entries, self.documents)

    @cached_property
    def cases(self) -> list[Case]:
        """Return all pairs."""
        return [entry for entry in self.corpus.entries.values() if isinstance(entry, Case)]

    @cached_property
    def controls(self) -> list[Control]:
        """Return all controls."""
        return [entry for entry in self.corpus.entries.values() if isinstance(entry, Control)]

    @cached_property
    def items(self) -> dict[str, Item]:
        """Return the cases as a list shows them."""
        return {case.id: self._item(case) for case in self.cases}

    @cached_property
    def alike(self) -> dict[str, list[str]]:
        """Return for each case the others with its message."""
        return entries.alike(self.corpus, self.books)

    def _item(self, case: Case) -> Item:
        spec = case.spec
        said = entries.said(case, self.books)
        message = f"{said[0].raises}: {' '.join(said[0].message.split())}" if said else ""
        short = message if len(message) <= MESSAGE else f"{message[: MESSAGE - 1]}…"
        return Item(
            case.id, spec.title, spec.level, spec.broken.stage.value, short, spec.distinguish
        )

    def shared(self) -> dict[str, Any]:
        """Return what every page may use."""
        return {
            "levels": entries.LEVELS,
            "documents": self.documents,
            "below": sorted(
                (_title(text, name), name)
                for name, text in self.documents.items()
                if name not in NAMED
            ),
            "has_timings": bool(self.timings),
            "has_releases": bool(self.books),
            "page_of": page_of,
        }


def _documents(root: Path) -> dict[str, str]:
    """Return the Markdown that becomes pages, by their names."""
    written = {path.stem: path for path in sorted((root / "docs").glob("*.md"))}
    found = {name: path for name, path in written.items() if name not in TAKEN}
    scoreboard = results_to_read(root) / SCOREBOARD
    if scoreboard.is_file():
        found["scoreboard"] = scoreboard
    return {name: path.read_text(encoding="utf-8") for name, path in found.items()}


def pages(library: Library) -> Iterator[Page]:
    """Yield every page."""
    yield Page("index.html", "index.html", _front(library))
    for case in library.cases:
        yield Page(f"{case.id}.html", "case.html", _case(library, case))
    for control in library.controls:
        yield Page(f"{control.id}.html", "control.html", _control(library, control))
    yield Page("myths.html", "myths.html", {"controls": library.controls})
    for name, text in library.documents.items():
        context = {"name": name, "title": _title(text, name), "text": text}
        yield Page(f"{name}.html", "document.html", context)
    if library.books:
        shown = releases.context(library.books, library.corpus.entries)
        yield Page("releases.html", "releases.html", shown)
    if library.timings:
        yield Page("timings.html", "timings.html", _timings(library))


def _title(text: str, name: str) -> str:
    heading = next((line for line in text.splitlines() if line.startswith("# ")), f"# {name}")
    return heading.removeprefix("# ")


def _front(library: Library) -> dict[str, Any]:
    items = library.items.values()
    return {
        "items": items,
        "topics": sorted(Counter(item.topic for item in items).items()),
        "by_topic": {
            topic: sorted((item for item in items if item.topic == topic), key=_glance)
            for topic in sorted({item.topic for item in items})
        },
        "stages": sorted({item.stage for item in items} - {"silent"}),
        "silent": sum(item.stage == "silent" for item in items),
        "releases": list(dict.fromkeys(entries.release_name(book) for book in library.books)),
        "controls": len(library.controls),
    }


def _glance(item: Item) -> tuple[bool, int]:
    return (item.stage == "silent", item.level)


def _case(library: Library, case: Case) -> dict[str, Any]:
    known = entries.newest(library.books, case.id)
    record = known.record if known else None
    items = library.items
    near = [name for name in items if items[name].topic == items[case.id].topic]
    place = near.index(case.id)
    return {
        "case": case,
        "item": items[case.id],
        "said": entries.said(case, library.books),
        "elsewhere": entries.elsewhere(case.id, library.books),
        "silent": entries.is_silent(case),
        "violates": entries.laws(sorted(case.spec.broken.violates)),
        "pair": code.side_by_side(case.broken, case.fixed, symptom_line(case)),
        "symptom": symptom_line(case),
        "distance": entries.distance(case),
        "holds": entries.laws(record.fixed.holds if record and record.fixed else []),
        "release": known.release if known else "",
        "costs": [said for times in library.costs if (said := stored.sentence(times, case.id))],
        "alike": [items[name] for name in library.alike[case.id][:ALIKE]],
        "before": items[near[place - 1]] if place else None,
        "after": items[near[place + 1]] if place + 1 < len(near) else None,
        **_pictures(record.broken if record else None, record.fixed if record else None),
        **_download("cases", case.id, case.broken, "broken"),
        **_download("fixes", case.id, case.fixed, "fixed"),
    }


def _control(library: Library, control: Control) -> dict[str, Any]:
    known = entries.newest(library.books, control.id)
    side = known.record.fixed if known else None
    return {
        "control": control,
        "lines": code.lines(control.source),
        "holds": entries.laws(side.holds if side else []),
        "elsewhere": entries.elsewhere(control.id, library.books),
        "release": known.release if known else "",
        **_pictures(side, side),
        **_download("controls", control.id, control.source, "fixed"),
    }


def _pictures(broken: Side | None, fixed: Side | None) -> dict[str, Any]:
    """Return a picture of each side, or one where both tell the same."""
    if broken is None or fixed is None or not (broken.layers or fixed.layers):
        return {"pictures": {}, "traces": {}}
    told = journey(broken, fixed)
    traces = {"broken": broken.layers, "fixed": fixed.layers}
    if told.first is None:
        title = "What each layer took and gave, the same in both"
        return {
            "pictures": {"alike": svg.picture(told, "fixed", title)},
            "traces": {"alike": fixed.layers},
        }
    titles = {
        "broken": "What each layer of the broken network took and gave",
        "fixed": "What each layer of the fixed network took and gave",
    }
    pictures = {side: svg.picture(told, side, title) for side, title in titles.items()}
    return {"pictures": pictures, "traces": traces}


def _download(tree: str, name: str, source: str, side: str) -> dict[str, str]:
    """Return a link that holds the program itself: `download` works from a file, too."""
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
            "count": len(timings.drawn(timing)),
        }
        for timing in library.timings
    ]
    words = {"duration": timings.duration, "sizes": timings.SIZES}
    return {"machines": machines, "known": library.corpus.entries, **words}
