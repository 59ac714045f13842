"""Assemble a healthy program from a model: imports, definitions, `Net`, data and a run."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.layout import Style, render
from broken_convnets.commands.wild.hosts.collect import Collected
from broken_convnets.commands.wild.hosts.narrow import narrowed
from broken_convnets.commands.wild.hosts.networks import Wrapper, network_text
from broken_convnets.commands.wild.hosts.runs import HEADER, Run, run_text
from broken_convnets.commands.wild.hosts.sources import (
    ModuleSource,
    module_source,
    read_module,
)
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from broken_convnets.commands.wild.hosts.host import Host

STYLE = Style(width=100)
USED_BY_RUNS = {"torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional"}


@dataclass(frozen=True)
class Original:
    """A healthy program: its model, what is around it, and its source code."""

    host: str
    wrapper: Wrapper
    run: Run
    source: str


@cache
def original(host: Host, wrapper: Wrapper, run: Run, seed: str) -> Original:
    """Return the program of a model whose configuration is drawn with `seed`.

    Raises UsageError if the model's module or class cannot be found.
    """
    rng = Random(f"{seed}/{host.name}")  # noqa: S311  (repeatable, not secret)
    drawn = host.draw(rng)
    network = ast.parse(network_text(host, drawn, wrapper))
    data = ast.parse(run_text(host, run, drawn))
    model = _assembled(host, network, data)
    tree = narrowed(model, rng.choice(host.factors))
    tree.body = [ast.Expr(ast.Constant(HEADER[host.task])), *tree.body, *data.body]
    text = render(ast.fix_missing_locations(tree), STYLE)
    return Original(host.name, wrapper, run, text)


def _assembled(host: Host, network: ast.Module, data: ast.Module) -> ast.Module:
    module = _module_of(host)
    if host.base not in module.definitions:
        message = f"{host.file or host.module} defines no class {host.base}"
        raise UsageError(message)
    scope = ModuleSource(module.definitions, {**USED_BY_RUNS, **module.imports, **host.names})
    collected = Collected()
    for code in (network, data):
        collected.add(code, scope, host.module)
    lines = ast.parse("\n".join(collected.import_lines())).body
    return ast.Module([*lines, *collected.definitions, *network.body], [])


def _module_of(host: Host) -> ModuleSource:
    if host.file:
        return read_module(host.file)
    found = module_source(host.module)
    if found is None:
        message = f"the installed {host.module.partition('.')[0]} has no module {host.module}"
        raise UsageError(message)
    return found
