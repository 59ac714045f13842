"""Everything the pages are made from: the corpus, its records, timings and documents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.bench import stored
from broken_convnets.commands.score import leaderboard
from broken_convnets.commands.site import entries, timings
from broken_convnets.commands.site.prose import Prose, page_of
from broken_convnets.commands.site.sections import by_section
from broken_convnets.corpus.entries import Case, Control
from broken_convnets.corpus.guides import load_guides
from broken_convnets.corpus.locations import results_to_read
from broken_convnets.verdicts import matrix
from broken_convnets.verdicts.records import read_all

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus

MESSAGE_LENGTH = 110  # characters of a message in a list
TOOLS = "tools"  # in results/: the records and the leaderboard
SCOREBOARD = "scoreboard"  # the name of the leaderboard's page, if scores are recorded
OWN_PAGES = {
    "index",
    "messages",
    "myths",
    "releases",
    "symptoms",
    "timings",
    SCOREBOARD,
}  # not made from docs/


@dataclass(frozen=True)
class Item:
    """A case or a guide in a list."""

    id: str
    title: str
    level: int
    stage: str
    message: str
    distinguish: str = ""

    @property
    def topic(self) -> str:
        """The folder of the case or guide."""
        return self.id.partition("/")[0]


class Library:
    """The corpus with its records, ready for pages."""

    def __init__(self, corpus: Corpus) -> None:
        """Read the records; raises RecordError if one is damaged."""
        self.corpus = corpus
        results = results_to_read(corpus.root)
        self.baselines = read_all(results)
        self.timings = timings.read(results)
        self.run_times = [stored.read(results, name) for name in matrix.DEVICES]
        self.scores = leaderboard.recorded_scores(corpus, results / TOOLS)
        self.documents = _documents(corpus.root)
        self.guides = load_guides(corpus.root).valid
        self.prose = Prose({*corpus.entries, *self.guides}, self.documents)

    @cached_property
    def cases(self) -> list[Case]:
        """All cases."""
        return [entry for entry in self.corpus.entries.values() if isinstance(entry, Case)]

    @cached_property
    def controls(self) -> list[Control]:
        """All controls."""
        return [entry for entry in self.corpus.entries.values() if isinstance(entry, Control)]

    @cached_property
    def items(self) -> dict[str, Item]:
        """The cases as lists show them."""
        return {case.id: self._item(case) for case in self.cases}

    @cached_property
    def guide_items(self) -> list[Item]:
        """The guides as lists show them; they have no level."""
        return [
            Item(name, guide.spec.title, 0, guide.kind, _cut(guide.spec.messages[0].message))
            for name, guide in self.guides.items()
        ]

    @cached_property
    def similar(self) -> dict[str, list[str]]:
        """For each case the others with the same message or the same violated laws."""
        return entries.similar(self.corpus, self.baselines)

    def _item(self, case: Case) -> Item:
        spec = case.spec
        found = entries.messages(case, self.baselines)
        message = f"{found[0].raises}: {' '.join(found[0].message.split())}" if found else ""
        stage = spec.broken.stage.value
        return Item(case.id, spec.title, spec.level, stage, _cut(message), spec.distinguish)

    def _titles(self) -> dict[str, str]:
        """Return the titles of the documents and of the pages about the records."""
        titles = {name: title_of(text, name) for name, text in self.documents.items()}
        if self.baselines:
            titles |= {"releases": "Releases of torch", "messages": "Messages that changed"}
        return titles | ({"timings": "Run times"} if self.timings else {})

    def globals(self) -> dict[str, Any]:
        """Return the variables of every template."""
        return {
            "levels": entries.LEVELS,
            "documents": self.documents,
            "sections": by_section(self._titles()),
            "has_symptoms": any(case.spec.symptoms for case in self.cases),
            "page_of": page_of,
            "runs": entries.runs(self.baselines, self.corpus.entries),
        }


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_LENGTH else f"{message[: MESSAGE_LENGTH - 1]}…"


def _documents(root: Path) -> dict[str, str]:
    """Return the Markdown documents that become pages, by name."""
    paths = {path.stem: path for path in sorted((root / "docs").glob("*.md"))}
    found = {name: path for name, path in paths.items() if name not in OWN_PAGES}
    scoreboard = results_to_read(root) / TOOLS / leaderboard.PAGE
    if scoreboard.is_file():
        found[SCOREBOARD] = scoreboard
    return {name: path.read_text(encoding="utf-8") for name, path in found.items()}


def title_of(text: str, name: str) -> str:
    """Return the first heading of a Markdown document, or its name."""
    heading = next((line for line in text.splitlines() if line.startswith("# ")), f"# {name}")
    return heading.removeprefix("# ")
