"""The search data of the front page, as a script: a page opened from a file cannot fetch data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from broken_convnets.commands.explain import (
    channels,
    checkpoints,
    figures,
    index,
    linear_features,
    numbers,
    objects,
    pasted,
    places,
    ranking,
    reading,
)
from broken_convnets.commands.site import entries, page_search, symptom_search
from broken_convnets.commands.site.patterns import javascript
from broken_convnets.corpus import wording
from broken_convnets.corpus.diff import hunks
from broken_convnets.util import mask
from broken_convnets.vocabulary import Verdict

if TYPE_CHECKING:
    from broken_convnets.commands.site.library import Library
    from broken_convnets.corpus.entries import Case
    from broken_convnets.verdicts.records import Baseline


def script(library: Library) -> str:
    """Return the data of the front page as JavaScript."""
    numbers_of: dict[str, int] = {"": 0}
    releases: dict[str, dict[str, int]] = {}
    for baseline in library.baselines:
        releases[entries.release_name(baseline)] = _failures(baseline, numbers_of)
    data: dict[str, Any] = {
        "distinguish": {
            **{case.id: case.spec.distinguish for case in library.cases},
            **{name: guide.spec.distinguish for name, guide in library.guides.items()},
        },
        "messages": list(numbers_of),
        "releases": releases,
        "index": _index(index.index_of(library.corpus)),
        "weights": ranking.Weights(),
        "types": wording.TYPES,
        "patterns": _patterns(),
        "families": [[javascript(pattern), read.__name__] for pattern, read in numbers.FAMILIES],
        "limits": _limits(),
        "symptoms": symptom_search.data(library),
        "pages": page_search.data(library),
        "fixes": {case.id: _changed_lines(case) for case in library.cases},
    }
    return f"const CORPUS = {msgspec.json.encode(data).decode()};\n"


def _changed_lines(case: Case) -> list[str]:
    """Return the lines that the fix of a case deletes and adds, each after `-` or `+`."""
    broken, fixed = case.broken.splitlines(), case.fixed.splitlines()
    lines = []
    for hunk in hunks(case.broken, case.fixed):
        lines += [f"-{line}" for line in broken[hunk.broken_start : hunk.broken_stop]]
        lines += [f"+{line}" for line in fixed[hunk.fixed_start : hunk.fixed_stop]]
    return lines


def _failures(baseline: Baseline, numbers_of: dict[str, int]) -> dict[str, int]:
    """Return the number of each case's message under one release; 0 if the case is silent."""
    found = {}
    for name, record in baseline.entries.items():
        side = record.broken
        if side is None or record.verdict is not Verdict.REPRODUCED:
            continue
        text = f"{side.raises}: {' '.join(side.message.split())}" if side.raises else ""
        found[name] = numbers_of.setdefault(text, len(numbers_of))
    return found


def _index(found: index.Index) -> dict[str, Any]:
    """Return the index with features as numbers, because many messages share them."""
    names = {name: number for number, name in enumerate(found.counts)}
    order = {name: place for place, name in enumerate(found.cases)}
    return {
        "names": list(names),
        "rarity": [found.rarity(name) for name in names],
        "unknown": found.unknown,
        "documents": [
            [d.id, [names[feature] for feature in d.features], d.places, int(d.own)]
            for d in sorted(found.documents, key=lambda document: order[document.id])
        ],
    }


def _patterns() -> dict[str, Any]:
    """Return the patterns of the Python modules, so that the scripts need no copy."""
    return {
        "mask": _rules(mask._RULES),
        "wording": _rules(wording._RULES),
        "spellings": _rules(wording.SPELLINGS),
        "class": javascript(wording._CLASS),
        "markup": _rules(pasted.MARKUP),
        "more_names": javascript(pasted.MORE_NAMES),
        "noise": [javascript(pattern) for pattern in pasted.NOISE],
        "frames": [javascript(pattern) for pattern in places.FRAMES],
        "source": javascript(places.SOURCE),
        "called": javascript(places.CALLED),
        "end": javascript(reading.END),
        "inline": javascript(reading.INLINE_CLASS),
        "repr": javascript(reading.REPR),
        "compiled": javascript(reading.COMPILED),
        "plain": _rules(numbers.PLAIN),
        "own_names": _rules(index.OWN_NAMES),
        "names": javascript(checkpoints.NAMES),
        "missing": javascript(checkpoints.MISSING),
        "unexpected": javascript(checkpoints.UNEXPECTED),
        "shape": javascript(index.SHAPE),
        "word": javascript(index.WORD),
        "ours": javascript(ranking.OURS),
        "layer": javascript(objects.LAYER),
    }


def _rules(pairs: Any) -> list[tuple[str, str]]:
    return [(javascript(pattern), replacement) for pattern, replacement in pairs]


def _limits() -> dict[str, Any]:
    return {
        "mask": mask.LENGTH,
        "text": pasted.LIMIT,
        "lines": pasted.LINES,
        "width": pasted.WIDTH,
        "prose_lines": reading.PROSE_LINES,
        "candidates": reading.CANDIDATES,
        "message": reading.LENGTH,
        "continuation": reading.CONTINUATION,
        "named": reading.NAMED,
        "inline": reading.INLINE,
        "beginning": reading.BEGINNING,
        "prose": reading.PROSE,
        "earlier": reading.EARLIER,
        "harmless": reading.HARMLESS,
        "closing": reading.CLOSING,
        "libraries": sorted(places.LIBRARIES),
        "data": sorted(places.DATA),
        "digits": ranking.DIGITS,
        "stand_ins": sorted(objects.STAND_INS),
        "tensors": sorted(objects.TENSORS),
        "calls": sorted(objects.CALLS),
        "colours": sorted(figures.COLOURS),
        "dimensions": figures.DIMENSIONS,
        "white": figures.WHITE,
        "pair": objects.PAIR,
        "images": channels.IMAGES,
        "most_image_channels": channels.MOST_IMAGE_CHANNELS,
        "backbones": sorted(linear_features.BACKBONES),
        "classes": sorted(linear_features.CLASSES),
        "rows_per_feature": linear_features.ROWS_PER_FEATURE,
        "prefixes": checkpoints.PREFIXES,
        "old_prefixes": checkpoints.OLD_PREFIXES,
        "parts": sorted(checkpoints.PARTS),
    }
