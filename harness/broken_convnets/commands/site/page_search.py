"""The words by which the front page finds documents, myths and symptoms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.site.library import title_of
from broken_convnets.commands.site.prose import page_of
from broken_convnets.commands.site.symptoms import symptom_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.site.library import Library

HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def data(library: Library) -> list[tuple[str, str, str]]:
    """Return the path, the title and the words of each page, in lower case."""
    return [(path, title, text.lower()) for path, title, text in _pages(library)]


def _pages(library: Library) -> Iterator[tuple[str, str, str]]:
    for name, text in library.documents.items():
        yield f"{name}.html", title_of(text, name), " ".join(HEADING.findall(text))
    for page in symptom_pages(library):
        description = page.symptom.description
        words = f"{page.symptom} {description}".replace("_", " ")
        yield page.path, f"Symptom: {description}", words
    for control in library.controls:
        spec = control.spec
        words = f"{control.id} {spec.title} {spec.claim} myth"
        yield page_of(control.id), f"Myth: {spec.title}", words
