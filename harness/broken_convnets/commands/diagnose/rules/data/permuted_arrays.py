"""Arrays of inputs and of labels are shuffled by one permutation."""

from __future__ import annotations

import ast
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.sites import candidates, location_in, site_of
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source

LOSSES = frozenset({"cross_entropy", "nll_loss"})
SEEDING = ("seed", "RandomState", "default_rng", "set_state", "setstate", "Random(", "Generator(")


class Shuffle(NamedTuple):
    """A statement that shuffles one array, the text of its generator, and the permutation."""

    statement: ast.stmt
    name: str
    generator: str
    call: ast.Call
    selects: bool  # whether it is `x = x[generator.permutation(n)]`


@rule(
    "arrays of inputs and labels are shuffled by one permutation",
    stays_quiet="unless two statements of one block shuffle them by one generator, which nothing "
    "seeds in between, and a dataset or a loss gets one of them as inputs and the other one as "
    "class indices",
)
def arrays_permuted_apart(evidence: Evidence) -> Iterator[Finding]:
    """Find `x = x[rng.permutation(n)]` followed by `y = y[rng.permutation(n)]`."""
    losses = [call for call in evidence.record.losses if call.name in LOSSES]
    if not any(not call.target.dtype.is_floating_point for call in losses):
        return
    for source in evidence.user_sources:
        for first, second in _pairs(evidence, source):
            yield Finding(
                kind="data/pairs_out_of_order",
                message="inputs and labels are shuffled by two different permutations",
                evidence=f"{source.text_of(first.statement)} and "
                f"{source.text_of(second.statement)} draw random numbers of {first.generator} one "
                "after the other: every sample gets the label of another one",
                cause=location_in(source, second.statement),
                symptom=location_in(source, first.statement),
                subject=second.name,
                candidates=_one_order(source, first, second),
                confidence=7,
            )
            return


def _pairs(evidence: Evidence, source: Source) -> Iterator[tuple[Shuffle, Shuffle]]:
    """Yield two shuffles of arrays that belong together, by one generator."""
    blocks = {id(block): block for s in source.statements if (block := source.block_of(s))}
    for block in blocks.values():
        shuffles = [found for s in block for found in _shuffles(source, s)]
        for first, second in pairwise(shuffles):
            between = block[block.index(first.statement) + 1 : block.index(second.statement)]
            seeds = any(word in source.text_of(s) for s in between for word in SEEDING)
            same = first.generator == second.generator and first.name != second.name
            if (
                same
                and not seeds
                and (
                    _are_joined(evidence, source, first.name, second.name)
                    or _are_joined(evidence, source, second.name, first.name)
                )
            ):
                yield first, second


def _shuffles(source: Source, statement: ast.stmt) -> Iterator[Shuffle]:
    """Yield the arrays that a statement shuffles, in place or by assignments."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        if called_name(call) == "shuffle" and len(call.args) == 1:
            yield from _drawn(source, statement, call.args[0], call, selects=False)
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        for target, value in _assigned(statement.targets[0], statement.value):
            selects = isinstance(value, ast.Subscript)
            inner = value.slice if isinstance(value, ast.Subscript) else value
            if not isinstance(inner, ast.Call) or called_name(inner) != "permutation":
                continue
            own = [source.text_of(one) for one in inner.args] == [source.text_of(target)]
            if selects or own:
                yield from _drawn(source, statement, target, inner, selects=selects)


def _assigned(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=False))
    return [(target, value)]


def _drawn(
    source: Source, statement: ast.stmt, array: ast.expr, call: ast.Call, *, selects: bool
) -> Iterator[Shuffle]:
    """Yield the shuffle by a method of a generator that has a name."""
    function = call.func
    if isinstance(function, ast.Attribute) and not call.keywords:
        generator = source.text_of(function.value)
        if "(" not in generator:
            yield Shuffle(statement, source.text_of(array), generator, call, selects)


def _are_joined(evidence: Evidence, source: Source, first: str, second: str) -> bool:
    """Return whether one array has the inputs of a loss with class indices, the other its targets.

    They are the two arguments of a dataset whose batches have both, or are indexed alike where the
    loss is called. Two arrays of indices, of one class each, are neither.
    """
    if _have_labels(evidence):
        classes = [n for n in source.nodes if isinstance(n, ast.ClassDef) and _reads_items(n)]
        datasets = {"TensorDataset", *(one.name for one in classes)}
        for node in source.nodes:
            if isinstance(node, ast.Call) and called_name(node) in datasets:
                held = [{source.text_of(n) for n in _names(a)} for a in node.args]
                if len(held) == 2 and first in held[0] and second in held[1]:  # noqa: PLR2004  (inputs, labels)
                    return True
    losses = (call.operator.places for call in evidence.record.losses if call.name in LOSSES)
    sites = (site_of(evidence, places) for places in dict.fromkeys(losses))
    return any(
        site is not None and site.source is source and _indexed_alike(site, first, second)
        for site in sites
    )


def _have_labels(evidence: Evidence) -> bool:
    """Return whether a loader that trains yields inputs and class indices."""
    batches = [
        epoch.values[0]
        for loader in evidence.record.loaders
        for epoch in loader.epochs
        if epoch.values and trains(evidence, epoch)
    ]
    return any(
        len(batch) == 2  # noqa: PLR2004  (inputs, labels)
        and batch[0].dtype.is_floating_point
        and not batch[1].dtype.is_floating_point
        and len(batch[0].shape) > len(batch[1].shape) == 1
        for batch in batches
    )


def _indexed_alike(site: Site, first: str, second: str) -> bool:
    """Return whether a loss receives what was computed from `first[i]`, and `second[i]`."""
    if len(site.call.args) < 2:  # noqa: PLR2004  (an input and a target)
        return False
    source = site.source
    inputs, targets = (
        [n for n in ast.walk(one) if isinstance(n, ast.Subscript)] for one in site.call.args[:2]
    )
    at = {source.text_of(n.slice) for n in inputs if source.text_of(n.value) == first}
    return any(source.text_of(n.value) == second and source.text_of(n.slice) in at for n in targets)


def _reads_items(definition: ast.ClassDef) -> bool:
    functions = (n for n in definition.body if isinstance(n, ast.FunctionDef))
    return any(one.name == "__getitem__" for one in functions)


def _names(node: ast.AST) -> Iterator[ast.expr]:
    return (n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute))


def _one_order(source: Source, first: Shuffle, second: Shuffle) -> tuple[Candidate, ...]:
    """Return the change that draws one permutation for both arrays."""
    if not first.selects or not second.selects:
        return ()
    text = f"order = {source.text_of(first.call)}"

    def shared() -> edits.Patch:
        patch = edits.replace(source, [(first.call, "order"), (second.call, "order")])
        lines = patch[source.path].split("\n")
        indentation = edits.indentation(source, first.statement)
        lines.insert(first.statement.lineno - 1, indentation + text)
        return {source.path: "\n".join(lines)}

    return candidates((0, shared))
