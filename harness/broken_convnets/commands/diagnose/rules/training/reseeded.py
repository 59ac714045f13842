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

SEEDS = frozenset({"manual_seed", "seed_everything", "set_seed", "seed_all", "fix_seed"})
RANDOM = ("rand", "randn", "randint", "randperm", "bernoulli", "multinomial", "normal", "dropout")
REPEATS = 3  # steps


@rule(
    "each training step draws random numbers of its own",
    stays_quiet="unless the innermost loop around an optimizer step seeds torch with what does "
    "not change in the loop, and a network or a step draws random numbers",
)
def seeded_in_every_step(evidence: Evidence) -> Iterator[Finding]:
    """Find `torch.manual_seed(42)` in the loop over the batches."""
    require_success(evidence)
    step = evidence.record.optimizer_steps.find(0)
    draws = [o for o in evidence.record.operators if o.name.strip("_").startswith(RANDOM)]
    if step is None or evidence.record.optimizer_steps.count < REPEATS:
        return
    for place in step.places:
        site = site_of(evidence, (place,))
        loops = site.source.loops_around(site.call) if site else []
        if site is None or not loops:
            continue
        call = _seeding(site.source, loops[0])
        drawn = [o for o in draws if o.moment.optimizer_steps and o.grad_enabled]
        if call is not None and len(drawn) >= REPEATS:
            text = site.source.text_of(call)
            yield Finding(
                rule="seeded_in_every_step",
                kind="training/not_learning",
                message=f"`{text}` runs before each training step: every step draws the same "
                "random numbers",
                evidence=f"the loop with `{site.source.text_of(site.call)}` seeds the generator "
                f"with the same number; {drawn[0].name.strip('_')} draws from it in training, so "
                "that dropout masks and noise repeat. Seed once, before the loop",
                cause=location_in(site.source, call),
                symptom=location_in(site.source, site.call),
                subject=text,
                confidence=7,
            )
        return


def _seeding(source: Source, loop: ast.For | ast.While) -> ast.Call | None:
    """Return the call in a loop that seeds torch, with arguments that the loop does not set."""
    changing = {
        node.id
        for node in ast.walk(loop)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(loop):
        if not isinstance(node, ast.Call) or called_name(node) not in SEEDS or not node.args:
            continue
        used = {one.id for one in ast.walk(node.args[0]) if isinstance(one, ast.Name)}
        counted = any(isinstance(one, ast.Call) for one in ast.walk(node.args[0]))
        if source.loops_around(node)[0] is loop and not used & changing and not counted:
            return node
    return None
