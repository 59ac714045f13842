"""Source code as HTML: highlighted, with the mistake marked, a case beside its fix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from broken_convnets.corpus.diff import cause_lines, hunks

Run = tuple[bool, slice, slice]  # whether lines differ, and their places in case and fix

NOTHING = Markup()
NEAR = 3  # unchanged lines of the fix that a narrow page shows around a change


@dataclass(frozen=True)
class Line:
    """One line of a program on a page. `number` is None if only the other side has this line."""

    number: int | None
    html: Markup = NOTHING
    changed: bool = False
    cause: bool = False
    symptom: bool = False
    near: bool = True  # changed, or close to a change


def lines(source: str) -> list[Line]:
    """Return the highlighted lines of a program."""
    return [Line(number, html) for number, html in enumerate(_highlighted(source), start=1)]


@cache
def _highlighted(source: str) -> list[Markup]:
    """Return each line as HTML with Pygments' classes, escaped by Pygments."""
    plain = source.splitlines()
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    html = highlight("\n".join(plain), lexer, HtmlFormatter(nowrap=True))
    highlighted = html.split("\n")[: len(plain)]
    if len(highlighted) < len(plain):  # lost lines would shift the marks
        return [escape(line) for line in plain]
    return [Markup(line) for line in highlighted]  # noqa: S704  (escaped by Pygments)


@dataclass(frozen=True)
class Pair:
    """Two programs side by side; both lists have the same length."""

    broken: list[Line]
    fixed: list[Line]


def side_by_side(broken: str, fixed: str, symptom: int | None) -> Pair:
    """Return a case and its fix with equal lines in the same row.

    `symptom` is the line of the case, from 1, that raises.
    """
    causes = cause_lines(broken, fixed)
    runs = _runs(broken, fixed)
    left = [
        Line(number, html, cause=number in causes, symptom=number == symptom)
        for number, html in enumerate(_highlighted(broken), start=1)
    ]
    right = [Line(number, html) for number, html in enumerate(_fixed_lines(broken, fixed, runs), 1)]
    return _paired(left, right, runs)


def _fixed_lines(broken: str, fixed: str, runs: list[Run]) -> list[Markup]:
    """Return the highlighted lines of the fix; reuses those that are equal in the case."""
    old, new = _highlighted(broken), fixed.splitlines()
    result: list[Markup] = []
    for changed, left, right in runs:
        result += _highlighted("\n".join(new[right])) if changed else old[left]
    return result


def _runs(broken: str, fixed: str) -> list[Run]:
    """Return the runs of equal and of different lines, in order."""
    runs: list[Run] = []
    old = new = 0
    for hunk in hunks(broken, fixed):
        runs.append((False, slice(old, hunk.broken_start), slice(new, hunk.fixed_start)))
        old, new = hunk.broken_stop, hunk.fixed_stop
        runs.append((True, slice(hunk.broken_start, old), slice(hunk.fixed_start, new)))
    return [*runs, (False, slice(old, None), slice(new, None))]


def _paired(old: list[Line], new: list[Line], runs: list[Run]) -> Pair:
    pair = Pair([], [])
    for changed, left, right in runs:
        rows = max(len(old[left]), len(new[right]))
        pair.broken.extend(_filled(old[left], rows, changed=changed))
        pair.fixed.extend(_filled(new[right], rows, changed=changed))
    return Pair(_nearby(pair.broken), _nearby(pair.fixed))


def _filled(some: list[Line], rows: int, *, changed: bool) -> list[Line]:
    gaps = [Line(None)] * (rows - len(some))
    return [replace(line, changed=changed) for line in [*some, *gaps]]


def _nearby(side: list[Line]) -> list[Line]:
    changes = [index for index, line in enumerate(side) if line.changed]
    return [
        replace(line, near=any(abs(index - change) <= NEAR for change in changes))
        for index, line in enumerate(side)
    ]
