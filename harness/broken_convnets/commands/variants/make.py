"""Make variants of an entry from a seed: deterministic across processes, without torch."""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.variants import (
    attribute_names,
    functional_layers,
    idioms,
    imports,
    intent,
    layout,
    sizes,
    spelling,
    steps,
    structure,
    variable_names,
)
from broken_convnets.commands.variants.program_pair import (
    FIX_SITE,
    ProgramPair,
    marks,
    program_pair,
)
from broken_convnets.corpus.diff import hunks
from broken_convnets.corpus.entries import Case, Entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Transformation = Callable[[ProgramPair, Random], bool]

DIFF_LIMIT = 8  # changed lines, as in the corpus

# The corpus has one author. If more variants had the manner of another one, a list of words would
# tell most variants from their originals.
OTHER_AUTHOR = 0.1

# Applied in this order, each with its probability in the manner of the corpus, and of another
# author: structure, then idioms, then sizes, then names. Names come last, because the other
# transformations recognize the names that the corpus uses.
TRANSFORMATIONS: dict[str, tuple[Transformation, float, float]] = {
    "into-sequential": (structure.into_sequential, 0.05, 0.3),
    "into-submodule": (structure.into_submodule, 0.0, 0.2),
    "named-steps": (steps.named_steps, 0.1, 0.3),
    "layers-for-functions": (functional_layers.layers_for_functions, 0.0, 0.3),
    "activations": (spelling.activations, 0.0, 0.5),
    "flattening": (spelling.flattening, 0.0, 0.5),
    "reductions": (spelling.reductions, 0.0, 0.4),
    "losses": (idioms.losses, 0.0, 0.3),
    "keywords": (idioms.keywords, 0.0, 0.4),
    "small-idioms": (idioms.small_idioms, 0.0, 0.5),
    "channels": (sizes.channels, 0.6, 0.6),
    "classes": (sizes.classes, 0.5, 0.5),
    "pixels": (sizes.pixels, 0.5, 0.5),
    "batch": (sizes.batch, 0.4, 0.4),
    "imports": (imports.reimport, 0.0, 0.6),
    "attributes": (attribute_names.attributes, 0.0, 0.85),
    "variables": (variable_names.variables, 0.0, 0.95),
    "intent": (intent.intent, 0.0, 0.6),
}
LAYOUT = "layout"

# These change neither the structure of a network nor a number in it.
NAMES_ONLY = frozenset({"imports", "attributes", "variables", "intent", LAYOUT})


@dataclass(frozen=True)
class Variant:
    """A new program, or pair of programs, with the mistake of an entry.

    `entry` holds the new programs. Until it is verified, its declaration is that of the original,
    except for `other_fix_sites`. `names` maps each renamed name to its new ones.
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
        """The name that distinguishes it from the other variants of its entry."""
        return f"{self.id}~{self.number}"


def make_variant(entry: Entry, seed: int, number: int) -> Variant:
    """Return the variant of an entry for a seed and a number; always the same one.

    Number 0 is the entry itself. Both sides of a case are changed in the same way, so that they
    still differ in as many places, and in at most DIFF_LIMIT lines.
    """
    if number == 0:
        return Variant(entry.id, 0, seed, entry, (), {})
    rng = random.Random(f"{seed}/{entry.id}/{number}")  # noqa: S311  (no secret)
    original, sources = program_pair(entry), list(entry.programs().values())
    # A variant is never the original: another author always finds something to change.
    for other_author in chain([rng.random() < OTHER_AUTHOR], repeat(object=True)):
        pair, done = _transform(original, rng, other_author=other_author)
        style = layout.random_style(rng) if other_author else layout.USUAL
        texts = _formatted(pair, entry, style)
        if (done or other_author) and texts != sources:
            break
    return Variant(
        id=entry.id,
        number=number,
        seed=seed,
        entry=_entry(entry, pair, texts),
        transformations=(*done, *[LAYOUT] * other_author),
        names={old: tuple(new) for old, new in pair.names.items()},
        resized=pair.resized,
    )


def _transform(
    pair: ProgramPair, rng: Random, *, other_author: bool
) -> tuple[ProgramPair, list[str]]:
    """Apply each transformation after which the sides still differ in as many places."""
    done = []
    places, best = pair.difference_count(), pair.to_bytes()
    for name, (change, share, other_share) in TRANSFORMATIONS.items():
        if rng.random() < (other_share if other_author else share):
            trial = ProgramPair.from_bytes(best)
            if change(trial, rng) and trial.difference_count() == places and _parses(trial):
                best = trial.to_bytes()
                done.append(name)
    return ProgramPair.from_bytes(best), done


def _parses(pair: ProgramPair) -> bool:
    try:
        for text in pair.texts():
            compile(text, "variant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _formatted(pair: ProgramPair, entry: Entry, style: layout.Style) -> list[str]:
    """Return the texts in a style, or in a simpler one if this style would split the fix."""
    programs = list(entry.programs().values())
    wanted = len(hunks(programs[0], programs[-1]))
    simpler = replace(style, after_init=False, before_return=False, one_per_line=True)
    narrow = [replace(simpler, width=width) for width in (88, 79, 72, 64, 100, 120)]
    tried: list[tuple[bool, int, int, list[str]]] = []
    for candidate in (style, simpler, *narrow):
        texts = [layout.render(side, candidate) for side in pair.sides]
        changed = hunks(texts[0], texts[-1])
        size = sum(hunk.size for hunk in changed)
        if len(changed) == wanted and size <= DIFF_LIMIT:
            return texts
        tried.append((size > DIFF_LIMIT, abs(len(changed) - wanted), len(tried), texts))
    return min(tried)[-1]


def _entry(entry: Entry, pair: ProgramPair, texts: list[str]) -> Entry:
    if not isinstance(entry, Case):
        return replace(entry, source=texts[0])
    places = _places(pair.sides[0], texts[0], len(entry.spec.other_fix_sites))
    spec = msgspec.structs.replace(entry.spec, other_fix_sites=places)
    return replace(entry, spec=spec, broken=texts[0], fixed=texts[1])


def _places(tree: ast.Module, text: str, count: int) -> list[str]:
    """Return the source text of the marked places that still exist."""
    pairs = list(zip(ast.walk(tree), ast.walk(ast.parse(text)), strict=False))
    found = []
    for number in range(count):
        wanted = f"{FIX_SITE}{number}"
        for old, new in pairs:
            if wanted in marks(old) and type(old) is type(new):
                segment = ast.get_source_segment(text, new) or ""
                found.append(segment.splitlines()[0] if hasattr(new, "body") else segment)
                break
    return [place for place in found if place.strip()]
