"""What the project's documents refer to: links, command lines, files, ids."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
FOLDERS = r"(?:cases|controls|docs|evidence|experiments|fixes|harness|requirements|results|tests)"
FILE = re.compile(rf"{FOLDERS}/[\w./*<>-]*")
PLACEHOLDER = re.compile(r"<[\w-]+>|\b[A-Z]{2,}\b(?!\.md)")  # <release>, NAME, but README.md
SHELL = {"sh", "bash", "console"}
PROGRAM = "broken-convnets"
ELLIPSIS = {"...", "…"}


@dataclass(frozen=True)
class Document:
    """A Markdown file, or the text of one at `path`."""

    path: Path
    text: str

    @cached_property
    def _tokens(self) -> list[Token]:
        tokens = MarkdownIt("commonmark").enable("table").parse(self.text)
        return [part for token in tokens for part in (token, *(token.children or ()))]

    def links(self) -> list[str]:
        """Return the targets of links and pictures that are not on the web."""
        targets = [token.attrGet("href") or token.attrGet("src") for token in self._tokens]
        return [str(target) for target in targets if target and "://" not in str(target)]

    def anchors(self) -> set[str]:
        """Return the fragments by which headings can be linked, in GitHub's form."""
        headings = re.findall(r"^#+ (.+)$", self.text, re.MULTILINE)
        return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}

    def code(self) -> list[str]:
        """Return each piece of code in a sentence."""
        return [token.content for token in self._tokens if token.type == "code_inline"]

    def blocks(self, language: str) -> list[str]:
        """Return each block of code in a language."""
        return [t.content for t in self._tokens if t.type == "fence" and t.info == language]

    def shell_lines(self) -> list[str]:
        """Return each line of the blocks of shell commands."""
        blocks = [t.content for t in self._tokens if t.type == "fence" and t.info in SHELL]
        return [line for block in blocks for line in block.splitlines()]

    def commands(self) -> list[list[str]]:
        """Return the arguments of each of our command lines in blocks, without the program."""
        return [words for line in self.shell_lines() for words in _commands_in(line)]

    def mentions(self) -> list[list[str]]:
        """Return the same for code in sentences, which may lack a required argument."""
        return [words for code in self.code() for words in _commands_in(code)]

    def files(self) -> list[str]:
        """Return each path of the repository in the code, placeholders replaced by `*`."""
        words = [word for line in self.shell_lines() for word in line.split()]
        named = [code for code in [*self.code(), *words] if FILE.fullmatch(code)]
        return [PLACEHOLDER.sub("*", name) for name in named]


def documents() -> list[Document]:
    """Return README and the like, and everything in docs/."""
    names = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
    paths = [*(ROOT / name for name in names), *sorted((ROOT / "docs").glob("*.md"))]
    return [Document(path, path.read_text(encoding="utf-8")) for path in paths]


def _commands_in(line: str) -> Iterator[list[str]]:
    """Split a line of shell at pipes and the like; <id> counts as a placeholder word."""
    if PROGRAM not in line and "broken_convnets" not in line:
        return
    text = re.sub(r"<([\w-]+)>", lambda found: found[1].upper(), line)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for punctuation, group in groupby(lexer, lambda word: set(word) <= set("();<>|&")):
        words = list(group)
        arguments = [] if punctuation else _arguments(words)
        if arguments and not ELLIPSIS & set(arguments) and "COMMAND" not in arguments:
            yield arguments


def _arguments(words: list[str]) -> list[str]:
    if words[0].rpartition("/")[2] == PROGRAM:
        return words[1:]
    if words[0].startswith("python") and words[1:3] == ["-m", "broken_convnets"]:
        return words[3:]
    if words[0].startswith("python") and words[1:3] == ["-m", "broken_convnets.diagnose"]:
        return ["diagnose", *words[3:]]
    return []
