"""Turn a pasted text into lines without markup, colors, boxes and prefixes of loggers."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_LE
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import RawIOBase
    from typing import BinaryIO

LIMIT = 200_000  # characters that are read, from the end
LINES = 5_000  # of them, from the end
WIDTH = 2_000  # characters of a line
NAMES = 12  # names of a list of quoted names

# In the whole text: the tags and entities of HTML, and line breaks written as `\n`.
MARKUP = [
    (re.compile(r"<br\s*/?>", re.ASCII), "\n"),
    (re.compile(r"</?(?:span|pre|div|code|p|b|i|a|font|li|td|tr)(?:\s[^<>\n]{0,300})?>"), ""),
    (re.compile(r"&#0?39;|&#x27;|&apos;|&lsquo;|&rsquo;"), "'"),
    (re.compile(r"&quot;|&#34;|&ldquo;|&rdquo;"), '"'),
    (re.compile(r"&lt;"), "<"),
    (re.compile(r"&gt;"), ">"),
    (re.compile(r"&nbsp;|\u00a0"), " "),
    (re.compile(r"&amp;"), "&"),
    (re.compile(r"\\n(?=\s{2}|Traceback |[A-Za-z_.]{1,60}(?:Error|Exception)\b)"), "\n"),
]
# In each line, in this order.
NOISE = [
    re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"),  # colors
    re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"),  # control characters
    re.compile(r"^\s*[\u2502\u256d\u2570\u2503]\s?|[\u2502\u256e\u256f\u2503]\s*$"),  # rich
    re.compile(r"^E {3,}"),  # pytest
    re.compile(
        r"^\[?[EWIF]\d{3,4} [\d:.]+ (?:\d+ )?[^\s\]]+\]\s?(?:\[[\w/]+\]\s)*"
    ),  # torch's logs
    re.compile(r"^\s*\((?:\w+ )?pid=\d+[^)]*\)\s*"),  # ray
    re.compile(r"^\s*\[?(?:default|rank)_?\d+\]?:\s?"),  # torchrun
    re.compile(r"^\s*[\[(]?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?[^\s\])]*[\])]?[\s,|:-]*"),
    re.compile(r"^\s*\[?\d\d:\d\d:\d\d[^\s\]]*\]?[\s,|:-]*"),
    re.compile(r"^\s*\[?(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\]?(?::[\w.]+:|[\s:|-]+)"),
    re.compile(r"^(?:>+ )+"),  # a quoted question
]
# The further names of a long list, as in the message of `load_state_dict`.
MORE_NAMES = re.compile(rf'((?:"[^"\n]{{1,200}}", ){{{NAMES}}})(?:"[^"\n]{{1,200}}", )+')


def tail(stream: RawIOBase | BinaryIO) -> str:
    """Return the last LIMIT characters of a stream of any length; invalid characters are replaced.

    The text is UTF-8, or UTF-16 with a byte order mark, which PowerShell writes.
    In a terminal, one Ctrl-D ends the text: a read of the terminal itself returns a line, or
    what was typed before Ctrl-D.
    """
    most = 4 * LIMIT  # bytes: a character has at most four
    kept, mark = bytearray(), b""
    while part := stream.read(LIMIT):
        kept += part
        mark = mark or bytes(kept[: len(BOM_UTF16_LE)])
        if len(kept) > 2 * most:
            del kept[:-most]
        if stream.isatty() and not part.endswith(b"\n"):
            break
    encoding = "utf-16-le" if mark == BOM_UTF16_LE else "utf-8"
    return kept[-most:].decode(encoding, errors="replace").removeprefix("\ufeff")[-LIMIT:]


def lines_of(text: str) -> list[str]:
    """Return the clean lines of a text; only its last LIMIT characters count."""
    text = text[-LIMIT:]
    for pattern, replacement in MARKUP:
        text = pattern.sub(replacement, text)
    return [_clean(line) for line in text.splitlines()[-LINES:]]


def _clean(line: str) -> str:
    line = MORE_NAMES.sub(r"\1", line)[:WIDTH]
    for noise in NOISE:
        line = noise.sub("", line)
    return line.rstrip()
