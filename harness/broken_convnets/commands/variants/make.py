"""Make variants of an entry from a seed; pure, the same in every process, torch is not needed."""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.variants import (
    definitions,
    idioms,
    imports,
    layout,
    renaming,
    sizes,
    spelling,
    steps,
    structure,
)
from broken_convnets.commands.variants.draft import ALSO, Draft, draft, marks
from broken_convnets.corpus.diff import hunks
from broken_convnets.corpus.entries import Case, Entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Transformation = Callable[[Draft, Random], bool]

DIFF_LIMIT = 8  # changed lines, as in the corpus

# In this order, each with how often it is tried: first what is built, then how it is said, then
# how large it is, last what it is called, so that the names of the corpus can be recognised before.
TRANSFORMATIONS: dict[str, tuple[Transformation, float]] = {
    "reorder": (steps.reorder, 0.3),
    "into-sequential": (structure.into_sequential, 0.3),
    "into-submodule": (structure.into_submodule, 0.2),
    "into-factory": (structure.into_factory, 0.15),
    "named-steps": (steps.named_steps, 0.3),
    "layers-for-functions": (spelling.layers_for_functions, 0.3),
    "activations": (spelling.activations, 0.5),
    "flattening": (spelling.flattening, 0.5),
    "reductions": (spelling.reductions, 0.4),
    "losses": (idioms.losses, 0.3),
    "keywords": (idioms.keywords, 0.4),
    "small-idioms": (idioms.small_idioms, 0.5),
    "channels": (sizes.channels, 0.6),
    "classes": (sizes.classes, 0.5),
    "pixels": (sizes.pixels, 0.5),
    "batch": (sizes.batch, 0.4),
    "imports": (imports.reimport, 0.6),
    "helpers": (definitions.helpers, 0.8),
    "network": (definitions.network, 0.5),
    "attributes": (renaming.attributes, 0.85),
    "variables": (renaming.variables, 0.85),
    "intent": (definitions.intent, 0.6),
}
LAYOUT = "layout"

# These change neither what a network is made of nor a number in it.
NAMES_ONLY = frozenset(
    {"reorder", "imports", "network", "helpers", "attributes", "variables", "intent", LAYOUT}
)


@dataclass(frozen=True)
class Variant:
    """An entry in other words.

    `entry` holds the new programs; what is declared of it is that of the original until it has
    been verified, but for the places of `also`. `names` maps what was renamed, old to new ones.
    """

    id: str
    number: int  # 0 is the original
    seed: int
    entry: Entry
    transformations: tuple[str, ...]
    names: dict[str, tuple[str, ...]]
    resized: bool = False

    @property
    def key(self) -> str:
        """How it is called where there are several."""
        return f"{self.id}~{self.number}"


def variant(entry: Entry, seed: int, number: int) -> Variant:
    """Return the variant of an entry that a seed and a number give, always the same one.

    Number 0 is the entry itself. The sides of a pair are changed alike, so that they differ in
    as many places as before, and in at most DIFF_LIMIT lines.
    """
    if number == 0:
        return Variant(entry.id, 0, seed, entry, (), {})
    rng = random.Random(f"{seed}/{entry.id}/{number}")  # noqa: S311  (no secret)
    made, done = _transformed(draft(entry), rng)
    texts = _laid_out(made, entry, rng)
    return Variant(
        id=entry.id,
        number=number,
        seed=seed,
        entry=_entry(entry, made, texts),
        transformations=(*done, LAYOUT),
        names={old: tuple(new) for old, new in made.names.items()},
        resized=made.resized,
    )


def _transformed(made: Draft, rng: Random) -> tuple[Draft, list[str]]:
    """Try each transformation; keep those after which the sides still differ in as many places."""
    done = []
    places, best = made.changed(), made.frozen()
    for name, (change, share) in TRANSFORMATIONS.items():
        if rng.random() < share:
            trial = Draft.thawed(best)
            if change(trial, rng) and trial.changed() == places and _parses(trial):
                best = trial.frozen()
                done.append(name)
    return Draft.thawed(best), done


def _parses(made: Draft) -> bool:
    try:
        for text in made.texts():
            compile(text, "variant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _laid_out(made: Draft, entry: Entry, rng: Random) -> list[str]:
    """Return the texts in a drawn style, or in a plainer one where that would split the fix."""
    programs = list(entry.programs().values())
    wanted = len(hunks(programs[0], programs[-1]))
    drawn = layout.draw(rng)
    plainer = replace(drawn, after_init=False, before_return=False, one_per_line=True)
    narrow = [replace(plainer, width=width) for width in (88, 79, 72, 64, 100, 120)]
    tried: list[tuple[bool, int, int, list[str]]] = []
    for style in (drawn, plainer, *narrow):
        texts = [layout.render(side, style) for side in made.sides]
        changed = hunks(texts[0], texts[-1])
        size = sum(hunk.size for hunk in changed)
        if len(changed) == wanted and size <= DIFF_LIMIT:
            return texts
        tried.append((size > DIFF_LIMIT, abs(len(changed) - wanted), len(tried), texts))
    return min(tried)[-1]


def _entry(entry: Entry, made: Draft, texts: list[str]) -> Entry:
    if not isinstance(entry, Case):
        return replace(entry, source=texts[0])
    places = _places(made.sides[0], texts[0], len(entry.spec.other_fix_sites))
    spec = msgspec.structs.replace(entry.spec, other_fix_sites=places)
    return replace(entry, spec=spec, broken=texts[0], fixed=texts[1])


def _places(tree: ast.Module, text: str, count: int) -> list[str]:
    """Return the source text of the marked places; one that is gone is left out."""
    pairs = list(zip(ast.walk(tree), ast.walk(ast.parse(text)), strict=False))
    found = []
    for number in range(count):
        wanted = f"{ALSO}{number}"
        for old, new in pairs:
            if wanted in marks(old) and type(old) is type(new):
                segment = ast.get_source_segment(text, new) or ""
                found.append(segment.splitlines()[0] if hasattr(new, "body") else segment)
                break
    return [place for place in found if place.strip()]
