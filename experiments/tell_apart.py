"""Classifiers that tell two kinds of text apart, and how often they are right on texts unseen.

Two of them: a logistic regression, and naive Bayes over the presence of each feature. The texts
of one group are never split between training and test.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    Features = Callable[[str], list[str]]
    Classifier = Callable[[Tensor, Tensor], Callable[[Tensor], Tensor]]

RARE = 3  # a feature of fewer texts says nothing about others
PENALTY = 3e-3  # of large weights
KEYWORDS = re.compile(
    r"and|as|assert|break|class|continue|def|del|elif|else|except|finally|for|from|if|import|in|is"
    r"|lambda|not|or|pass|raise|return|try|while|with|yield|None|True|False"
)
TOKEN = re.compile(r"\n+ *|[A-Za-z_]\w*|[\d.]+|[^\w\s]")


@dataclass(frozen=True)
class Text:
    """A text of one of two kinds; those of one group are similar for another reason."""

    text: str
    kind: bool
    group: str


def words(text: str) -> list[str]:
    """Return the words of a program: its identifiers, and the words of its strings."""
    return re.findall(r"[A-Za-z_]\w*", text)


def words_and_numbers(text: str) -> list[str]:
    """Return the words and the integers of a program."""
    return re.findall(r"\w+", text)


def layout(text: str) -> list[str]:
    """Return up to three tokens in a row, line breaks included, without identifiers and numbers."""
    tokens = [_masked(token) for token in TOKEN.findall(text)]
    return [
        " ".join(tokens[at : at + size])
        for size in (1, 2, 3)
        for at in range(len(tokens) - size + 1)
    ]


def _masked(token: str) -> str:
    if token[0].isdigit():
        return "0"
    is_name = token[0].isidentifier() and not KEYWORDS.fullmatch(token)
    return "name" if is_name else token


def share_right(
    texts: Sequence[Text], features: Features, classifier: Classifier, folds: int = 10
) -> float:
    """Return the share of texts whose kind a classifier finds, trained on the other folds."""
    table = _table([features(each.text) for each in texts])
    kinds = torch.tensor([float(each.kind) for each in texts])
    groups = sorted({each.group for each in texts})
    random.Random(0).shuffle(groups)  # noqa: S311  (no secret)
    fold_of = {group: number % folds for number, group in enumerate(groups)}
    fold = torch.tensor([fold_of[each.group] for each in texts])
    right = 0
    for number in range(folds):
        test = fold == number
        guess = classifier(table[~test], kinds[~test])(table[test]) > 0
        right += int((guess == kinds[test].bool()).sum())
    return right / len(texts)


def _table(bags: Sequence[list[str]]) -> Tensor:
    """Return a row for each bag, with a column for each feature: 1 if the bag contains it."""
    common = Counter(feature for bag in bags for feature in set(bag))
    names = sorted(name for name, count in common.items() if count >= RARE)
    column = {name: number for number, name in enumerate(names)}
    table = torch.zeros(len(bags), len(column))
    for row, bag in enumerate(bags):
        table[row, [column[name] for name in set(bag) if name in column]] = 1
    return table


def logistic_regression(table: Tensor, kinds: Tensor) -> Callable[[Tensor], Tensor]:
    """Fit weights; the result returns a positive number for a row of the second kind."""
    weights = torch.zeros(table.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def score(rows: Tensor) -> Tensor:
        return rows @ weights[1:] + weights[0]

    def step() -> Tensor:
        optimizer.zero_grad()
        penalty = PENALTY * weights[1:].square().sum()
        loss: Tensor = binary_cross_entropy_with_logits(score(table), kinds) + penalty
        loss.backward()
        return loss

    optimizer.step(step)
    return score


def naive_bayes(table: Tensor, kinds: Tensor) -> Callable[[Tensor], Tensor]:
    """Count; the result returns a positive number for a row of the second kind."""
    first, second = (
        (table[kinds == kind].sum(0) + 1) / ((kinds == kind).sum() + 2) for kind in (0, 1)
    )

    def score(rows: Tensor) -> Tensor:
        present = second.log() - first.log()
        absent = (1 - second).log() - (1 - first).log()
        return rows @ present + (1 - rows) @ absent

    return score
