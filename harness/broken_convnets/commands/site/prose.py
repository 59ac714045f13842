"""Render Markdown as HTML, without raw HTML and with corpus ids as links."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_ID = re.compile(r"[\w-]+/[\w-]+")
_FILE = re.compile(r"(?:\.\./)*(?:cases|fixes|controls)/([\w-]+/[\w-]+)\.(?:py|toml)")
_DOCUMENT = re.compile(r"(?:\./|\.\./)*(?:docs/)?([\w-]+)\.md(#.*)?")
_OUTSIDE = re.compile(r"https?://")
# A sentence for those who have the file, not its page.
_FOR_AUTHORS = re.compile(r"\w+ by `[^`]+`; do not edit\.\s+")


def page_of(name: str) -> str:
    """Return the URL of an entry's page, relative to the front page."""
    return f"{quote(name)}.html"


def anchor_of(heading: str) -> str:
    """Return the id of a heading, as GitHub forms it: links work there and here."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class Prose:
    """Renders Markdown for one site. `documents` are the names of the pages made from Markdown."""

    def __init__(self, ids: Collection[str], documents: Collection[str]) -> None:
        """Link to these entries and documents only."""
        self._ids = ids
        self._documents = documents
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        self._markdown.add_render_rule("table_open", _table_open)
        self._markdown.add_render_rule("table_close", _table_close)

    def inline(self, text: str, root: str) -> Markup:
        """Return the content of one paragraph; `root` is the path to the front page's folder."""
        tokens = self._markdown.parseInline(" ".join(text.split()))
        return self._render(tokens, root)

    def document(self, text: str, root: str) -> Markup:
        """Return a whole document; a link to a target outside the site becomes plain text."""
        tokens = self._markdown.parse(_FOR_AUTHORS.sub("", text, count=1))
        for opening, heading in pairwise(tokens):
            if opening.type == "heading_open":
                opening.attrSet("id", anchor_of(heading.content))
        return self._render(tokens, root)

    def _render(self, tokens: list[Token], root: str) -> Markup:
        for token in tokens:
            if token.children:
                token.children = list(self._linked(token.children, root))
        html = self._markdown.renderer.render(tokens, self._markdown.options, {})
        return Markup(html)  # noqa: S704  (markdown-it escapes, and drops raw HTML)

    def _linked(self, tokens: list[Token], root: str) -> Iterator[Token]:
        inside: list[bool] = []  # for each open link, whether it stays a link
        for token in tokens:
            if token.type == "link_open":
                target = self._target(str(token.attrs.get("href", "")), root)
                inside.append(target is not None)
                token.attrs = {"href": target or ""}
                keep = target is not None
            elif token.type == "link_close":
                keep = inside.pop()
            elif token.type == "image":  # pages load no images
                yield _text(token.content)
                continue
            else:
                yield from [token] if inside else self._ids_linked(token, root)
                continue
            if keep:
                yield token

    def _target(self, href: str, root: str) -> str | None:
        if _OUTSIDE.match(href) or href.startswith("#"):
            return href
        if (found := _FILE.fullmatch(href)) and found[1] in self._ids:
            return root + page_of(found[1])
        if (found := _DOCUMENT.fullmatch(href)) and found[1] in self._documents:
            return f"{root}{found[1]}.html{found[2] or ''}"
        return None

    def _page(self, code: str) -> str | None:
        """Return the page of an entry, or of a document with its path; None for other code."""
        if code in self._ids:
            return page_of(code)
        found = _DOCUMENT.fullmatch(code)
        return f"{found[1]}.html" if found and "/" in code and found[1] in self._documents else None

    def _ids_linked(self, token: Token, root: str) -> Iterator[Token]:
        if token.type == "code_inline" and (page := self._page(token.content)):
            yield from _link(root + page, token)
            return
        if token.type != "text":
            yield token
            return
        rest = 0
        for found in _ID.finditer(token.content):
            if found[0] in self._ids:
                yield _text(token.content[rest : found.start()])
                yield from _link(root + page_of(found[0]), _text(found[0]))
                rest = found.end()
        yield _text(token.content[rest:])


def _table_open(*_: object) -> str:
    """Make a wide table scrollable, also by keyboard."""
    return '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>'


def _table_close(*_: object) -> str:
    return "</table></div>"


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _link(href: str, inside: Token) -> Iterator[Token]:
    yield Token("link_open", "a", 1, attrs={"href": href})
    yield inside
    yield Token("link_close", "a", -1)
