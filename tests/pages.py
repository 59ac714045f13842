"""Parse the pages of a built site, and find foreign markup and dead links."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

LOADS = {"src", "srcset", "poster", "data", "action", "formaction", "background", "xlink:href"}


@dataclass
class Read:
    """The contents of a page."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)  # what a browser loads by itself
    ids: set[str] = field(default_factory=set)
    foreign: list[str] = field(default_factory=list)  # markup that the templates do not contain


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.read = Read()
        self._script = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attributes}
        self._script = tag == "script"
        if tag in {"img", "iframe", "object", "embed", "base", "style", "b-hostile"}:
            self.read.foreign.append(tag)
        self.read.foreign += [key for key in given if key.startswith("on") or key == "style"]
        self.read.loads += [value for key, value in given.items() if key in LOADS]
        if "id" in given:
            self.read.ids.add(given["id"])
        if "href" in given:
            (self.read.loads if tag == "link" else self.read.links).append(given["href"])
            if urlsplit(given["href"]).scheme not in {"", "https", "data"}:
                self.read.foreign.append(given["href"])

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.read.foreign.append(f"script: {data.strip()[:40]}")

    def handle_endtag(self, tag: str) -> None:
        self._script = self._script and tag != "script"


def read(html: str) -> Read:
    """Return the contents of a page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.read


def site(root: Path) -> dict[str, Read]:
    """Return the contents of each page of a site, by path."""
    return {
        path.relative_to(root).as_posix(): read(path.read_text(encoding="utf-8"))
        for path in root.rglob("*.html")
    }


def reached(pages: dict[str, Read], first: str) -> set[str]:
    """Return the pages that are reachable from the first one."""
    found, waiting = {first}, [first]
    while waiting:
        path = waiting.pop()
        targets = {urljoin(path, unquote(urlsplit(link).path)) for link in pages[path].links}
        new = (targets & set(pages)) - found
        found |= new
        waiting += new
    return found


def dead_links(root: Path, pages: dict[str, Read]) -> list[str]:
    """Return the links within the site that have no target."""
    dead = []
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = ((root / path).parent / unquote(parts.path)).resolve() if parts.path else None
            name = path if target is None else target.relative_to(root.resolve()).as_posix()
            known = pages[name].ids if name in pages else None
            anchored = (
                not parts.fragment or "=" in parts.fragment or (known and parts.fragment in known)
            )
            if not (root / name).is_file() or not anchored:
                dead.append(f"{path}: {link}")
    return dead
