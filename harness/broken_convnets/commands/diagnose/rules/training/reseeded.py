"""The random generator is seeded once, and not again before each step."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location_in, require_success, site_of
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator, OptimizerStep

    Loop = ast.For | ast.While

SEEDS = frozenset({"manual_seed", "seed_everything", "set_seed", "seed_all", "fix_seed"})
OWNERS = frozenset({"", "torch", "torch.random"})  # of manual_seed: not a generator of its own
DRAWS = frozenset(
    {"rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like"}
    | {"bernoulli", "multinomial", "normal", "uniform", "dropout", "dropout1d", "dropout2d"}
    | {"alpha_dropout", "feature_alpha_dropout", "dropout3d", "gumbel_softmax", "rrelu"}
)
# What restores the state of the generator, so that seeding it has no lasting effect.
RESTORING = frozenset({"set_rng_state", "fork_rng", "set_state", "seed", "isolate_rng"})
REPEATS = 3  # steps


@rule(
    "each training step draws random numbers of its own",
    stays_quiet="unless the innermost loop around the steps of one optimizer seeds torch in each "
    "of its turns, once and with a constant, and a network or a step draws random numbers",
)
def seeded_in_every_step(evidence: Evidence) -> Iterator[Finding]:
    """Find `torch.manual_seed(42)` in the loop over the batches."""
    require_success(evidence)
    first = evidence.record.optimizer_steps.find(0)
    drawn = _draws(evidence)
    if first is None or _repeats(evidence, first) < REPEATS or len(drawn) < REPEATS:
        return
    for place in first.places:
        site = site_of(evidence, (place,))
        loops = site.source.loops_around(site.call) if site else []
        if site is None or not loops:
            continue
        call = _seeding(site.source, loops[0])
        if call is not None:
            text = site.source.text_of(call)
            yield Finding(
                kind="training/not_learning",
                message=f"`{text}` runs before each training step: every step draws the same "
                "random numbers",
                evidence=f"the loop with `{site.source.text_of(site.call)}` seeds the generator "
                f"with the same number, and {drawn[0].name.strip('_')} draws from it in training: "
                "dropout masks and noise repeat. Seed once, before the loop",
                cause=location_in(site.source, call),
                symptom=location_in(site.source, site.call),
                subject=text,
                confidence=7,
            )
        return


def _repeats(evidence: Evidence, first: OptimizerStep) -> int:
    """Return how many steps update the same parameters: another run has others."""
    steps = evidence.record.optimizer_steps
    return sum(step.parameters == first.parameters for step in steps)


def _draws(evidence: Evidence) -> list[Operator]:
    """Return the operators that drew from the global generator after the first step."""
    return [
        one
        for one in evidence.record.operators
        if one.name.strip("_") in DRAWS
        and one.moment.optimizer_steps
        and one.grad_enabled
        and one.places
        and "generator" not in one.places[0].text
        and not _is_off(one)
    ]


def _is_off(operator: Operator) -> bool:
    """Return whether it is a dropout that drops nothing."""
    found = operator.literals
    training = found.get("training", found.get(2, True))
    return "dropout" in operator.name and (not training or found.get("p", found.get(1)) == 0)


def _seeding(source: Source, loop: Loop) -> ast.Call | None:
    """Return the call that each turn of a loop seeds torch with, if it is the only one."""
    calls = [node for node in ast.walk(loop) if isinstance(node, ast.Call)]
    seeding = [call for call in calls if _seeds_torch(source, call)]
    if len(seeding) != 1 or any(
        called_name(call) in RESTORING for call in _of_torch(source, calls)
    ):
        return None
    always = source.parent(seeding[0]) in loop.body
    return seeding[0] if always and _is_constant(source, seeding[0], loop) else None


def _of_torch(source: Source, calls: list[ast.Call]) -> list[ast.Call]:
    """Return the calls, those that seed other libraries left out."""
    others = ("random.seed", "np.random.seed", "numpy.random.seed")
    return [call for call in calls if source.text_of(call.func) not in others]


def _seeds_torch(source: Source, call: ast.Call) -> bool:
    name, function = called_name(call), call.func
    if name not in SEEDS:
        return False
    owner = source.text_of(function.value) if isinstance(function, ast.Attribute) else ""
    if name == "manual_seed":
        return owner in OWNERS
    own = [n for n in source.nodes if isinstance(n, ast.FunctionDef) and n.name == name]
    return not own or any("torch.manual_seed" in source.text_of(one) for one in own)


def _is_constant(source: Source, call: ast.Call, loop: Loop) -> bool:
    """Return whether the seed is a number, or a variable that the program does not change."""
    if len(call.args) != 1 or call.keywords:
        return False
    seed = call.args[0]
    if isinstance(seed, ast.Attribute):
        named = [n for n in source.nodes if isinstance(n, ast.Attribute) and n.attr == seed.attr]
        functions = [source.function_of(node) for node in named if _is_stored(node)]
        return all(one is not None and one.name == "__init__" for one in functions)
    if isinstance(seed, ast.Name):
        names = [n for n in ast.walk(loop) if isinstance(n, ast.Name) and _is_stored(n)]
        shared = [n for n in source.nodes if isinstance(n, ast.Global | ast.Nonlocal)]
        changed = {n.id for n in names} | {name for one in shared for name in one.names}
        return seed.id not in changed
    return isinstance(seed, ast.Constant) and isinstance(seed.value, int)


def _is_stored(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store)
