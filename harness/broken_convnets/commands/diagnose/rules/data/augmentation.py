"""Validation reads its images without random transforms."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.data.samples import Samples, below_subsets
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.recorder.reachable import arrays_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.loaders import Epoch, Loader

RANDOM = re.compile(r"\brand|random|bernoulli")
IMAGES = 4  # dimensions of a batch of images


@rule(
    "validation applies no random transform of the training",
    stays_quiet="about data without labels, several views of an image, validation data whose "
    "random transforms the training does not share, and random changes in a dataset of the "
    "program that are not made with a probability, as noise that belongs to the task",
)
def augmented_validation(evidence: Evidence) -> Iterator[Finding]:
    """Find validation data with the random transforms of the training: random_split shares them."""
    loaders = evidence.record.loaders
    training = [one for one in loaders if any(trains(evidence, epoch) for epoch in one.epochs)]
    for loader in loaders:
        if loader in training or not any(is_evaluated(evidence, e) for e in loader.epochs):
            continue
        shared = [name for one in training for name in _shared(one, loader)]
        shared = shared or _by_hand(evidence, training, loader)
        if not shared:
            continue
        split = loader.dataset.positions is not None
        why = "both are parts of one dataset" if split else "both use the same transform"
        yield Finding(
            rule="augmented_validation",
            kind="training/augmented_validation",
            message="the validation images pass through the random transforms of the training",
            evidence=f"{shared[0]} changes the images of the validation at random ({why})",
            cause=location(loader.places),
            subject=loader.places[0].text if loader.places else "",
            confidence=7,
        )
        return


def _shared(one: Loader, other: Loader) -> list[str]:
    """Return the random transforms, the same objects, that two datasets apply."""
    if one.dataset == other.dataset:
        return []  # how good the network is on the samples that it has learned
    return [name for key, name in one.dataset.random if (key, name) in other.dataset.random]


def _by_hand(evidence: Evidence, training: list[Loader], loader: Loader) -> list[str]:
    """Return the name of the method that changes samples of a split dataset at random."""
    base = loader.dataset.base
    split = loader.dataset.positions is not None and any(
        one.dataset.base == base and one.dataset.positions is not None for one in training
    )
    if not split or _is_read_again(loader) or loader.dataset.random:
        return []
    samples = Samples.of(evidence, loader)
    kind = type(below_subsets(loader.data))
    if samples is None or not _stores_samples(samples) or not samples.is_random():
        return []
    return [f"{kind.__name__}.__getitem__"] if _draws_a_choice(evidence, kind) else []


def _is_read_again(loader: Loader) -> bool:
    """Return whether samples are read several times between two steps, to average the outputs."""
    steps = [epoch.moment.optimizer_steps for epoch in loader.epochs]
    return len(set(steps)) < len(steps)


def _stores_samples(samples: Samples) -> bool:
    """Return whether a dataset holds an array of images, and does not draw them itself."""
    base = below_subsets(samples.dataset)
    arrays = (array for name, array in arrays_in(base) if name in vars(base))
    return any(array.ndim >= IMAGES - 1 and len(array) == len(base) for array in arrays)


def _draws_a_choice(evidence: Evidence, kind: type) -> bool:
    """Return whether __getitem__, or what it calls, has an `if` with a random number.

    Not if another condition asks for an attribute, which may switch the random changes off.
    """
    code = getattr(getattr(kind, "__getitem__", None), "__code__", None)
    if code is None:
        return False
    source = evidence.source(code.co_filename)
    method = source.function_named("__getitem__", code.co_firstlineno) if source else None
    if source is None or method is None:
        return False
    called = {called_name(n) for n in ast.walk(method) if isinstance(n, ast.Call)}
    functions = [n for n in source.nodes if isinstance(n, ast.FunctionDef) and n.name in called]
    conditions = [
        node.test
        for function in (method, *functions)
        for node in ast.walk(function)
        if isinstance(node, ast.If | ast.IfExp)
    ]
    inside = [node for condition in conditions for node in ast.walk(condition)]
    if any(isinstance(n, ast.Attribute) and source.text_of(n.value) == "self" for n in inside):
        return False
    calls = (source.text_of(node.func) for node in inside if isinstance(node, ast.Call))
    return any(RANDOM.search(call) for call in calls)


def is_evaluated(evidence: Evidence, epoch: Epoch) -> bool:
    """Return whether a network in eval mode receives images of an epoch, one for each label."""
    first = epoch.values[0] if epoch.values else ()
    images = [value for value in first if len(value.shape) == IMAGES]
    labels = [v for v in first if len(v.shape) == 1 and not v.dtype.is_floating_point]
    if len(images) != 1 or not labels:
        return False
    passes = [p for p in evidence.record.passes if not p.training and p.parameters]
    return any(images[0] in p.received for p in passes)
