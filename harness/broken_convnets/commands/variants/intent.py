"""Reword the docstring, equally on every side."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from broken_convnets.commands.variants import words

if TYPE_CHECKING:
    from random import Random

    from broken_convnets.commands.variants.program_pair import ProgramPair


def intent(pair: ProgramPair, rng: Random) -> bool:
    """Reword the docstring."""
    first = pair.sides[0].body[0]
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant):
        return False
    old = str(first.value.value)
    new = old
    for word, others in words.PROSE.items():
        if rng.random() < 0.6:  # noqa: PLR2004  (some words)
            new = re.sub(rf"\b{word}\b", rng.choice(others), new, count=1)
    for side in pair.sides:
        prose = side.body[0]
        if isinstance(prose, ast.Expr) and isinstance(prose.value, ast.Constant):
            prose.value.value = new
    return new != old
