"""The kinds of mistakes that a finding may name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from broken_convnets.corpus.entries import default_root, load
from broken_convnets.corpus.kinds import kinds

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Corpus

OTHER = "other"


def known_kinds(corpus: Corpus) -> frozenset[str]:
    """Return the kinds and topics of `corpus` and of the bundled corpus, and "other".

    The bundled tools name kinds of the bundled corpus, whatever corpus they are scored on.
    """
    known = kinds(corpus) | _bundled_kinds()
    return known | {kind.partition("/")[0] for kind in known} | {OTHER}


@cache
def _bundled_kinds() -> frozenset[str]:
    return frozenset(kinds(load(default_root())))
