"""Begin a new case: write its three files, ready to be filled in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.corpus import entries as corpora
from broken_convnets.errors import CorpusError
from broken_convnets.util import files

if TYPE_CHECKING:
    from pathlib import Path

ID = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")

PROGRAM = '''\
"""Classify small colour images."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 3, 8, 8),)


if __name__ == "__main__":
    Net()(*example_inputs())
'''

SPEC = """\
# What each key means: docs/case-format.md. Remove the comments when you are done.
title    = ""                        # what is the matter, in a few words
covers   = []                        # kinds of real reports, as "topic/kind"
sources  = []                        # where people met it: https://...
level    = 1                         # 1 first week, 2 first project, 3 surprises experts
hints    = []                        # one question at a time, towards the cause
why      = ""                        # what the message means and why it comes; 80 words at most
diagnose = ""                        # how to find it yourself next time; 80 words at most
tell     = ""                        # what separates it from others with the same message

[broken]
stage  = "forward"                   # import build inputs forward run silent
raises = ""                          # the exception's class
says   = ""                          # the part of its message that is about the mistake
at     = ""                          # the expression that raises, copied from the case

[fixed]
output = "float32[4, 10]"            # what running the fix gives
"""


def write_skeleton(root: Path, name: str) -> list[Path]:
    """Write the files of case `name` below `root` and return their paths.

    Raises CorpusError where the id is malformed or its last part is taken.
    """
    if not ID.fullmatch(name):
        message = f"{name!r} is no id: write <topic>/<id> in lower case, digits and underscores"
        raise CorpusError(message)
    last = name.partition("/")[2]
    taken = [other for other in corpora.load(root).ids if other.rpartition("/")[2] == last]
    if taken:
        message = f"the id {last!r} is taken by {taken[0]}: choose another"
        raise CorpusError(message)
    texts = {
        root / "cases" / f"{name}.py": PROGRAM,
        root / "fixes" / f"{name}.py": PROGRAM,
        root / "cases" / f"{name}.toml": SPEC,
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, text)
    return list(texts)
