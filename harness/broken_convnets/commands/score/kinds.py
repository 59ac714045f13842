"""The kinds of mistakes that a finding may name."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from broken_convnets.corpus.entries import Case, default_root, load

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Corpus

OTHER = "other"


def known_kinds(corpus: Corpus) -> frozenset[str]:
    """Return the kinds and topics of `corpus` and of the bundled corpus, and "other".

    The bundled tools name kinds of the bundled corpus, whatever corpus they are scored on.
    """
    bundled = corpus if corpus.root == default_root() else load(default_root())
    kinds = _kinds(corpus) | _kinds(bundled)
    return frozenset(kinds | {kind.partition("/")[0] for kind in kinds} | {OTHER})


def _kinds(corpus: Corpus) -> set[str]:
    cases = (entry for entry in corpus.entries.values() if isinstance(entry, Case))
    path = corpus.root / "evidence" / "uncovered.toml"
    uncovered = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {kind for case in cases for kind in case.spec.covers} | set(uncovered)
