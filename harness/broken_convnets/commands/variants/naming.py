"""Choose new names that are not in use, and keep numbered names together."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import identifiers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from broken_convnets.commands.variants.program_pair import ProgramPair

# The names of nn.Module itself: a layer with such a name may be the mistake.
MODULE_NAMES = frozenset(  # of all releases, with the attributes of common layers
    """
    T_destination add_module apply bfloat16 bias buffers call_super_init children compile cpu
    cuda data device double dtype dump_patches eval extra_repr float forward get_buffer
    get_extra_state get_parameter get_submodule grad half in_channels ipu load_state_dict
    modules mtia named_buffers named_children named_modules named_parameters out_channels
    parameters register_backward_hook register_buffer register_forward_hook
    register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad
    requires_grad_ running_mean running_var set_extra_state set_submodule shape share_memory
    state_dict to to_empty train training type weight xpu zero_grad
    """.split()  # noqa: SIM905  (more readable for a hundred names)
)


def choose_names(
    pair: ProgramPair,
    rng: Random,
    roles: Mapping[str, str],
    known: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """Return new names for the names that have a role; none is in use.

    Numbered names stay together: `conv1` and `conv2` become `convolution1` and `convolution2`.
    If several things have one role, their old names tell them apart, and stay.
    """
    used = identifiers(pair.nodes()) | set(dir(builtins)) | set(keyword.kwlist) | MODULE_NAMES
    used |= {word for text in strings(pair) for word in re.findall(r"\w+", text)}
    chosen: dict[str, str] = {}
    for role, stem, family in _families(roles):
        numbers = [name[len(stem) :] for name in family]
        free = [word for word in known[role] if not {f"{word}{n}" for n in numbers} & used]
        if free:
            word = rng.choice(free)
            chosen |= {name: f"{word}{n}" for name, n in zip(family, numbers, strict=True)}
            used |= set(chosen.values())
    return chosen


def _families(roles: Mapping[str, str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each role of one name, or of some numbered names, with their stem and these names."""
    by_role: dict[str, dict[str, list[str]]] = {}
    for name, role in sorted(roles.items()):
        stem = name.rstrip("0123456789") or name
        by_role.setdefault(role, {}).setdefault(stem, []).append(name)
    for role, families in by_role.items():
        if len(families) == 1:
            yield role, *next(iter(families.items()))


def strings(pair: ProgramPair) -> Iterator[str]:
    """Yield every string of the programs except their docstrings."""
    for side in pair.sides:
        intent = side.body[0]
        for node in ast.walk(side):
            is_intent = isinstance(intent, ast.Expr) and node is intent.value
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and not is_intent:
                yield node.value
