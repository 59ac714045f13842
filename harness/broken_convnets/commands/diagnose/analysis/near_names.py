"""Which of the names that exist a missing one stands for: misspelled, or longer or shorter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.observe.near_names import distance

if TYPE_CHECKING:
    from collections.abc import Iterable

DIGITS = re.compile(r"\d+")
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
SHORT, LONG = 4, 8  # letters from which one may be wrong, and two
PART = 3  # letters that a shorter form has at least


def misspelled(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that differ by a letter or two, or by case and underscores."""
    return [one for _, one in sorted((_errors(name, k), k) for k in known if _is_near(name, k))]


def related(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names whose words begin with the words of `name`, or the reverse."""
    return [one for one in known if _is_shortened(name, one) or _is_shortened(one, name)]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the one name that another one stands for; empty if there is none, or several."""
    names = list(dict.fromkeys(known))
    near = misspelled(name, names)
    if near:
        sure = len(near) == 1 or _errors(name, near[0]) < _errors(name, near[1])
        return near[0] if sure else ""
    longer = related(name, names)
    alike = [one for one in longer if len(_words(one)) == len(_words(name))] or longer
    return alike[0] if len(alike) == 1 else ""


def _errors(name: str, known: str) -> int:
    return distance(_plain(name), _plain(known))


def _is_near(name: str, known: str) -> bool:
    if name == known or DIGITS.findall(name) != DIGITS.findall(known):
        return False
    letters = [len(DIGITS.sub("", _plain(one))) for one in (name, known)]
    allowed = 2 if min(letters) >= LONG - 1 else 1 if max(letters) >= SHORT else 0
    few = min(letters) >= PART and _errors(name, known) <= allowed
    return few or _plain(name) == _plain(known)


def _is_shortened(short: str, long: str) -> bool:
    """Return whether each word of a name begins a word of another name, in order."""
    words, longer = _words(short), _words(long)
    rest = iter(longer)
    found = all(any(_begins(word, one) for one in rest) for word in words)
    letters = sum(map(len, words))
    return found and letters >= PART and _numbers(words) == _numbers(longer)


def _begins(word: str, longer: str) -> bool:
    return longer == word if word.isdigit() else longer.startswith(word)


def _words(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]


def _numbers(words: list[str]) -> list[str]:
    return [word for word in words if word.isdigit()]


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
