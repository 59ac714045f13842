"""Code that is appended to a learner's program before it is observed.

It runs as part of the program, so it decides nothing: it only shows one more value.
"""

from __future__ import annotations

import ast
import re

FIRST_INPUT = "input_of_first_layer"
LAZY = re.compile(r"\bLazy[A-Z]\w*")

# The values that the first layer with parameters receives: a network may scale its own inputs.
_FIRST_INPUT = f"""


def {FIRST_INPUT}(net, *inputs):
    seen = []
    for layer in net.modules():
        if list(layer.parameters(recurse=False)):
            layer.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    net.eval()
    net(*inputs)
    return seen[0].detach()
"""

# A lazy layer has no parameters that could be observed before its first forward pass.
_INITIALIZED = """


def _build_and_initialize(self):
    _build(self)
    self.eval()
    with torch.no_grad():
        self(*example_inputs())
    self.train()


_build = Net.__init__
Net.__init__ = _build_and_initialize
"""


def with_probes(source: str) -> str:
    """Return a program that also shows the input of its first layer, and has no lazy layers.

    The line numbers of the program stay valid. Text that is not valid Python stays as it is.
    """
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):  # ValueError: a null byte
        return source
    lazy = _INITIALIZED if LAZY.search(source) else ""
    return source.rstrip("\n") + "\n" + _FIRST_INPUT + lazy
