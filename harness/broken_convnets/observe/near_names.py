"""Which name of PyTorch a misspelled name, or that of another library, stands for."""

from __future__ import annotations

from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SYNONYMS = {  # of other libraries, without underscores
    "learningrate": "lr",
    "epsilon": "eps",
    "trainable": "requires_grad",
    "rate": "p",
}
LONG, MEDIUM = 8, 5  # letters of a name in which two may be wrong, or one


def meant_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that another one stands for; empty if it is known, or for none."""
    names = list(known)
    if name in names or name.startswith("_"):
        return ""
    plain = _plain(name)
    synonym = SYNONYMS.get(plain)
    if synonym in names:
        return synonym
    near = (one for one in names if distance(plain, _plain(one)) <= _allowed(_plain(one)))
    return next(near, "")


def distance(one: str, other: str) -> int:
    """Return how many letters are inserted, deleted, replaced or exchanged with the next one."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


_named: dict[type, frozenset[str]] = {}


def names_in_code(owner: type) -> frozenset[str]:
    """Return the attributes and globals that the functions of a class and its bases name."""
    if owner not in _named:
        _named[owner] = frozenset(_names_in_code(owner))
    return _named[owner]


def _names_in_code(owner: type) -> Iterator[str]:
    functions = (f for base in owner.__mro__ for f in vars(base).values())
    found = (getattr(f, "fget", None) or getattr(f, "__func__", f) for f in functions)
    codes = (getattr(getattr(f, "__wrapped__", f), "__code__", None) for f in found)
    yield from (name for code in codes if code is not None for name in _names(code))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _allowed(name: str) -> int:
    return 2 if len(name) >= LONG else 1 if len(name) >= MEDIUM else 0
