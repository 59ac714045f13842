"""The headings under which the site lists its topics and its documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TOPICS = {
    "batch": "the batch dimension",
    "data": "images, datasets and loaders",
    "detection": "boxes and their targets",
    "device": "CPU and GPU",
    "dtype": "types and mixed precision",
    "loss": "losses, labels and metrics",
    "memory": "memory that grows",
    "module": "layers and their names",
    "none": "None instead of a tensor",
    "shape": "sizes that do not fit",
    "state": "checkpoints and export",
    "training": "the training loop",
}
USE = "Find and fix a mistake"
EVALUATE = "Evaluate a tool or an agent"
INSIDE = "How this is made and verified"
SECTIONS = {
    "why-none": USE,
    "explain": USE,
    "diagnose": USE,
    "trace": USE,
    "learn": USE,
    "teaching": USE,
    "tools": EVALUATE,
    "scoring": EVALUATE,
    "scoreboard": EVALUATE,
    "agents": EVALUATE,
    "variants": EVALUATE,
    "wild": EVALUATE,
}


def by_section(titles: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Return the titles and names of pages under each heading; other pages are about the inside."""
    found: dict[str, list[tuple[str, str]]] = {USE: [], EVALUATE: [], INSIDE: []}
    for name, title in titles.items():
        found[SECTIONS.get(name, INSIDE)].append((title, name))
    return {heading: sorted(pages) for heading, pages in found.items() if pages}
