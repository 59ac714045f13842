"""Format a program in one of many styles, which Python ignores."""

from __future__ import annotations

import io
import itertools
import sys
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.unparse import unparse

if TYPE_CHECKING:
    import ast
    from random import Random

INDENT = "    "
OPENING, CLOSING = "([{", ")]}"
STARTS = ("class ", "def ", "@", "if __name__")


@dataclass(frozen=True)
class Style:
    """How a program is formatted; `width` is in columns."""

    width: int = 88
    quote: str = '"'
    between: int = 2  # blank lines between definitions
    one_per_line: bool = False  # the elements of a bracket, even if they fit on one line
    after_init: bool = False  # a blank line after super().__init__()
    before_return: bool = False


USUAL = Style()


def random_style(rng: Random) -> Style:
    """Return a random style."""
    return Style(
        width=rng.choice((72, 79, 88, 100)),
        quote=rng.choice('""\''),
        between=rng.choice((1, 2, 2)),
        one_per_line=rng.random() < 0.7,  # noqa: PLR2004  (most people's formatter does)
        after_init=rng.random() < 0.4,  # noqa: PLR2004  (fewer than half)
        before_return=rng.random() < 0.3,  # noqa: PLR2004  (fewer still)
    )


def render(tree: ast.Module, style: Style) -> str:
    """Return the source text of `tree` in a style."""
    logical = [line for line in unparse(tree).splitlines() if line.strip()]
    lines: list[str] = []
    for number, line in enumerate(logical):
        before = logical[number - 1] if number else ""
        lines += [""] * _blank(before, line, style)
        lines += _wrapped(_quoted(line, style.quote), style)
    return "\n".join(lines) + "\n"


def _blank(before: str, line: str, style: Style) -> int:
    """Return the number of blank lines between two lines."""
    if not before or before.lstrip().startswith("@"):
        return 0
    if _depth(line) == 0:
        return _blank_outside(before, line, style)
    text, above = line.strip(), before.strip()
    if text.startswith(("def ", "@")):
        return int(not above.startswith("class "))
    if _depth(before) != _depth(line):
        return 0
    opens = style.after_init and above.startswith("super(") and above.endswith(".__init__()")
    return int(opens or (style.before_return and text.startswith("return ")))


def _blank_outside(before: str, line: str, style: Style) -> int:
    """Return the number of blank lines before an unindented line."""
    imports = ("import ", "from ")
    if line.startswith(imports):
        return int(not before.startswith(imports) or _standard(before) != _standard(line))
    if line.startswith(STARTS) or _depth(before) > 0:
        return style.between
    return int(before.startswith(imports))


def _standard(line: str) -> bool:
    """Return whether an import is of Python's standard library, which has its own paragraph."""
    return line.split()[1].partition(".")[0] in sys.stdlib_module_names


def _depth(line: str) -> int:
    return (len(line) - len(line.lstrip())) // len(INDENT)


def _quoted(line: str, quote: str) -> str:
    """Return a line with the quotes of its simple strings replaced."""
    if quote == "'":
        return line
    tokens = list(_tokens(line.strip()))
    text, done = line[: len(line) - len(line.lstrip())], 0
    for token in tokens:
        if token.type == tokenize.STRING and token.string[0] in "'rbfRBF":
            plain = not any(sign in token.string for sign in '"\\')
            start, end = token.start[1], token.end[1]
            new = token.string.replace("'", '"') if plain else token.string
            text += line.strip()[done:start] + new
            done = end
    return text + line.strip()[done:]


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    try:
        return list(tokenize.generate_tokens(io.StringIO(f"{text}\n").readline))
    except (tokenize.TokenError, IndentationError):
        return []


def _wrapped(line: str, style: Style) -> list[str]:
    """Return a line wrapped at its longest bracket, recursively until it fits."""
    if len(line) <= style.width:
        return [line]
    margin, text = line[: len(line) - len(line.lstrip())], line.strip()
    group = _longest_bracket(text)
    if group is None:
        return [line]
    start, end, commas, no_comma = group
    inside = text[start + 1 : end].strip()
    head, tail = f"{margin}{text[: start + 1]}", f"{margin}{text[end:]}"
    whole = f"{margin}{INDENT}{inside}"
    if no_comma or not commas or (not style.one_per_line and len(whole) <= style.width):
        return [head, *_wrapped(whole, style), tail]
    edges = [start, *commas, end]
    parts = [text[a + 1 : b].strip() for a, b in itertools.pairwise(edges)]
    body = [row for part in parts if part for row in _wrapped(f"{margin}{INDENT}{part},", style)]
    return [head, *body, tail]


def _longest_bracket(text: str) -> tuple[int, int, list[int], bool] | None:
    """Return the columns of the longest outermost bracket and of its commas.

    The last value says whether it contains a comprehension or a lambda, whose meaning a trailing
    comma would change.
    """
    found: list[tuple[int, int, list[int], bool]] = []
    commas: list[int] = []
    depth, start, no_comma = 0, 0, False
    for token in _tokens(text):
        column = token.start[1]
        if token.type == tokenize.OP and token.string in OPENING:
            if depth == 0:
                start, commas, no_comma = column, [], False
            depth += 1
        elif token.type == tokenize.OP and token.string in CLOSING:
            depth -= 1
            if depth == 0 and column > start + 1:
                found.append((start, column, commas, no_comma))
        elif depth == 1 and token.string == ",":
            commas.append(column)
        elif depth == 1 and token.string in {"for", "lambda"}:
            no_comma = True
    return max(found, key=lambda group: group[1] - group[0], default=None)
