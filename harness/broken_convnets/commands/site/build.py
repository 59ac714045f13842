"""Render every page and write the site to a folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from broken_convnets.commands.site import search
from broken_convnets.commands.site.library import Library
from broken_convnets.commands.site.markup import ticks
from broken_convnets.commands.site.pages import pages
from broken_convnets.errors import UsageError
from broken_convnets.util import files
from broken_convnets.util.locks import locked

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Corpus

HERE = Path(__file__).parent
MARKER = ".made-by-broken-convnets"  # in a folder that a build may replace


class SiteError(UsageError):
    """The site cannot be written to that folder."""


@dataclass(frozen=True)
class BuiltSite:
    """The written site."""

    front: str
    pages: int
    largest: int  # bytes of the largest page
    seconds: float


def build(corpus: Corpus, out: Path) -> BuiltSite:
    """Write the site into `out` and delete the pages of an earlier build that are gone.

    Files that no build wrote are left alone. Raises SiteError if `out` is not empty and not a
    site, and RecordError for damaged records.
    """
    began = time.monotonic()
    _check_folder(out)
    library = Library(corpus)
    environment = _environment(library)
    written: dict[Path, bytes] = {}
    for path in (HERE / "static").rglob("*"):
        if path.is_file():
            written[out / "static" / path.relative_to(HERE / "static")] = path.read_bytes()
    written[out / "static" / "index.js"] = search.script(library).encode()
    sizes = []
    for page in pages(library):
        template = environment.get_template(page.template)
        html = template.render(page.context, root=page.root, path=page.path).encode()
        written[out / page.path] = html
        sizes.append(len(html))
    with locked(out):
        former = _marked(out)
        names = sorted(path.relative_to(out).as_posix() for path in written)
        # Before the pages: an interrupted build leaves no file that a later one would not delete.
        marked = "".join(f"{name}\n" for name in sorted({*names, *former}))
        files.write(out / MARKER, marked)
        for path, content in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_bytes(path, content)
        files.delete(out, former.difference(names))
        files.write(out / MARKER, "".join(f"{name}\n" for name in names))
    seconds = time.monotonic() - began
    return BuiltSite(str(out / "index.html"), len(sizes), max(sizes), seconds)


def _marked(out: Path) -> set[str]:
    """Return the files that an earlier build wrote: the lines of its marker."""
    marker = out / MARKER
    return set(marker.read_text(encoding="utf-8").splitlines()) if marker.is_file() else set()


def _check_folder(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        message = f"{out} is not empty and not a site: name an empty or a new folder"
        raise SiteError(message)
    if out.exists() and not out.is_dir():
        message = f"{out} is a file: name a folder"
        raise SiteError(message)


def _environment(library: Library) -> Environment:
    """Return a Jinja2 environment that escapes everything and rejects undefined variables."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= library.globals()
    environment.filters["prose"] = library.prose.inline
    environment.filters["ticks"] = ticks
    environment.filters["document"] = library.prose.document
    return environment
