"""A hook is registered once, and not again in each call."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import calls_named, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
REGISTERS = (
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
)
TIMES = 3  # that the same function is a hook of one module


@rule(
    "a hook is registered once on a module",
    stays_quiet=f"if a function is a hook of one module fewer than {TIMES} times, and if the "
    "program registers hooks in several places",
)
def hook_registered_again(evidence: Evidence) -> Iterator[Finding]:
    """Find a function that registers its hook in every call and never removes it."""
    registered = list(calls_named(evidence, *REGISTERS))
    for built in evidence.record.constructions:
        module = built.object()
        times, name = _most_repeated(module) if isinstance(module, nn.Module) else (0, "")
        if times < TIMES or len(registered) != 1:
            continue
        yield Finding(
            kind="none/hook_never_fired",
            message=f"{name} is registered {times} times as a hook of one {type(module).__name__}",
            evidence=f"it runs {times} times in each forward pass: register it once, or call "
            "`remove()` of the handle",
            cause=location_in(*registered[0]),
            subject=name,
            confidence=8,
        )
        return


def _most_repeated(module: nn.Module) -> tuple[int, str]:
    """Return how often the most frequent hook of a module is registered, and its name."""
    functions = Counter(
        getattr(hook, "__func__", hook)
        for attribute in HOOKS
        for hook in getattr(module, attribute, {}).values()
        if hasattr(hook, "__qualname__")
    )
    if not functions:
        return 0, ""
    function, times = functions.most_common(1)[0]
    return times, str(getattr(function, "__qualname__", function))
