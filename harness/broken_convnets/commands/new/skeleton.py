"""Create the three files of a new case, as a template to fill in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.corpus.contents import TREES, contents_of
from broken_convnets.corpus.locations import root_to_write
from broken_convnets.errors import CorpusError
from broken_convnets.util import files

if TYPE_CHECKING:
    from pathlib import Path

ID = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")

PROGRAM = '''\
"""Classify small color images."""

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
# docs/case-format.md describes the keys. Remove the comments when you are done.
title       = ""                     # the mistake, in the words of a web search
covers      = []                     # kinds of real reports, as "topic/kind"
sources     = []                     # reports by people who made the mistake: https://...
symptoms    = []                     # if nothing is raised: see `broken-convnets list --help`
level       = 1                      # 1 first week, 2 first project, 3 surprises experts
hints       = []                     # one question each, the next closer to the cause
why         = ""                     # what the message means and what causes it; at most 80 words
diagnose    = ""                     # how to find the mistake yourself; at most 80 words
distinguish = ""                     # how to tell it from others with the same message

[broken]
stage      = "forward"               # import build inputs forward run silent
raises     = ""                      # the class of the exception
message    = ""                      # the part of its message that is about the mistake
expression = ""                      # the expression that raises, copied from the case

[fixed]
output = "float32[4, 10]"            # what running the fix returns
"""


def write_skeleton(root: Path, name: str) -> list[Path]:
    """Create the files of case `name` for the corpus at `root` and return their paths.

    Raises CorpusError if the id is invalid or in use, or `root` is not a folder.
    """
    if not ID.fullmatch(name):
        message = f"invalid id {name!r}: expected <topic>/<id> in lower_snake_case"
        raise CorpusError(message)
    if not root.is_dir():
        message = f"{root} does not exist: create the folder first"
        raise CorpusError(message)
    target = root_to_write(root)
    last = name.partition("/")[2]
    used = [other for other in _ids(root) | _ids(target) if other.rpartition("/")[2] == last]
    if used:
        message = f"the id {last!r} is in use by {used[0]}: choose another"
        raise CorpusError(message)
    texts = {
        target / "cases" / f"{name}.py": PROGRAM,
        target / "fixes" / f"{name}.py": PROGRAM,
        target / "cases" / f"{name}.toml": SPEC,
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, text)
    return list(texts)


def _ids(root: Path) -> set[str]:
    """Return the ids in a folder; a folder that is not a corpus yet has none."""
    is_corpus = any((root / tree).is_dir() for tree in TREES)
    return set(contents_of(root).ids()) if is_corpus else set()
