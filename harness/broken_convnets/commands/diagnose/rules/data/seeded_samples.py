"""Each sample draws random numbers of its own."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.diagnose.analysis.returns import callee
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.data.samples import below_subsets
from broken_convnets.commands.diagnose.sites import assigned_name, location_in, require_success
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

SEEDS = {
    "random.seed": "random",
    "np.random.seed": "np.random",
    "numpy.random.seed": "numpy.random",
}
TORCH = frozenset({"torch.manual_seed", "torch.random.manual_seed"})
OF_TORCH = frozenset(
    {"rand", "randn", "randint", "randperm", "rand_like", "randn_like", "bernoulli"}
)
ORDERS = frozenset({"randperm", "permutation", "shuffle"})
CONDITIONS = (ast.If, ast.IfExp, ast.Try)
RESTORING = ("setstate", "set_state", "set_rng_state", "fork_rng")


@rule(
    "reading a sample does not seed the random generator with a constant",
    stays_quiet="unless __getitem__ seeds a generator, without a condition, with a number, a "
    "global, or an attribute that is called a seed and that only the constructor sets, and draws "
    "from that generator afterwards; about one order or one matrix for all samples",
)
def seeded_in_every_sample(evidence: Evidence) -> Iterator[Finding]:
    """Find `random.seed(42)` in __getitem__."""
    require_success(evidence)
    seen: set[type] = set()
    for loader in evidence.record.loaders:
        data: Any = below_subsets(loader.data)
        if type(data) in seen or not any(trains(evidence, one) for one in loader.epochs):
            continue
        seen.add(type(data))
        method = callee(evidence, getattr(data, "__getitem__", None))
        source = method.source if method is not None else None
        seed, draw = _seeded_draw(source, method.function) if source and method else (None, None)
        if source is None or seed is None or draw is None:
            continue
        yield Finding(
            kind="data",
            message=f"{type(data).__name__} seeds the random generator for each sample: all "
            "samples draw the same random numbers",
            evidence=f"`{source.text_of(seed)}` runs before `{source.text_of(draw)}` in each "
            "call of __getitem__; seed once, before the training",
            cause=location_in(source, seed),
            symptom=location_in(source, draw),
            subject=type(data).__name__,
            confidence=7,
        )


def _seeded_draw(
    source: Source, method: ast.FunctionDef
) -> tuple[ast.Call | None, ast.Call | None]:
    """Return the call that seeds, and the first one after it that draws from the same generator.

    Nothing is returned if the state of a generator is restored.
    """
    if any(word in source.text_of(method) for word in RESTORING):
        return None, None
    local = {n.id for n in ast.walk(method) if isinstance(n, ast.Name) and _is_stored(n)}
    local |= {one.arg for one in method.args.args[1:]}
    calls = [n for n in ast.walk(method) if isinstance(n, ast.Call)]
    for seed in sorted(calls, key=lambda n: n.lineno):
        name = source.text_of(seed.func)
        if (name not in SEEDS and name not in TORCH) or not _is_constant(source, seed, local):
            continue
        if any(isinstance(one, CONDITIONS) for one in source.ancestors(seed)):
            continue
        for draw in sorted(calls, key=lambda n: n.lineno):
            draws = draw.lineno > seed.lineno and _draws(source, draw, name)
            if draws and not _is_for_all(source, method, draw):
                return seed, draw
    return None, None


def _is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _is_for_all(source: Source, method: ast.FunctionDef, draw: ast.Call) -> bool:
    """Return whether a draw is one that all samples may share: an order, or a projection."""
    if called_name(draw) in ORDERS:
        return True
    statement = source.statement_of(draw)
    name = assigned_name(source, statement) if statement is not None else ""
    factors = [
        source.text_of(side)
        for node in ast.walk(method)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
        for side in (node.left, node.right)
    ]
    return bool(name) and name in factors


def _is_constant(source: Source, seed: ast.Call, local: set[str]) -> bool:
    """Return whether a seed is the same number for every sample."""
    if len(seed.args) != 1:
        return False
    nodes = list(ast.walk(seed.args[0]))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    changed = {
        node.attr
        for node in source.expressions
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if (function := source.function_of(node)) is None or function.name != "__init__"
    }
    if attributes & changed or not all("seed" in name.lower() for name in attributes):
        return False
    return not names & local and not any(isinstance(node, ast.Call) for node in nodes)


def _draws(source: Source, call: ast.Call, seed: str) -> bool:
    """Return whether a call draws random numbers from the generator that was seeded."""
    owner = source.text_of(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if seed in TORCH:
        return owner == "torch" and called_name(call) in OF_TORCH
    return owner == SEEDS[seed] and called_name(call) != "seed"
