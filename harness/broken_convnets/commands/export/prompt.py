"""What a language model is asked about one program; the same for every program."""

from __future__ import annotations

FILE = "net.py"
NOTHING = "NOTHING"
PROMPT = """\
`{file}` is a small PyTorch program. It may contain one mistake, which may or may not raise an
exception, or it may be correct.

If it contains a mistake, fix it with the smallest change. Do not change what the program is for,
and do not hide the failure. Answer with a unified diff of `{file}` in a code block. If the program
is correct, answer with the single word {nothing}.

```python
{source}```
"""


def prompt_for(source: str) -> str:
    """Return the prompt for a program; it depends on nothing but its text."""
    return PROMPT.format(file=FILE, nothing=NOTHING, source=source)
