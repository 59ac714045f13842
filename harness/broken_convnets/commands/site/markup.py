"""Build SVG and HTML elements from untrusted text, all of it escaped."""

from __future__ import annotations

from markupsafe import Markup, escape


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element; `class_` means `class`, `stroke_width` means `stroke-width`.

    Escapes the values of attributes, and children that are not Markup.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{given}>{inside}</{name}>")  # noqa: S704  (everything except names is escaped)


def _number(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def shortened(text: str, length: int) -> str:
    """Return `text` with at most `length` characters, cut in the middle."""
    if len(text) <= length:
        return text
    head = (length - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def ticks(text: str) -> Markup:
    """Return a heading whose text between backticks is code."""
    parts = text.split("`")
    return Markup("").join(tag("code", part) if i % 2 else part for i, part in enumerate(parts))
