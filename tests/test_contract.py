"""The contract for a program's code: what it refuses, with the line, and what it allows."""

from __future__ import annotations

import ast

import pytest
from broken_convnets.commands.learn import checks
from broken_convnets.commands.learn.grader import Grader
from broken_convnets.corpus.contract import check_contract
from kit import HEALTHY, Pair, case_of, doing, importing, our_corpus, patched


def _violations(source: str) -> list[str]:
    return check_contract(ast.parse(source))


IMPORTS = [
    "import sys",
    "import os.path, sys",
    "import warnings as w",
    "import ctypes",
    "import gc",
    "import inspect",
    "import logging",
    "import builtins",
    "import importlib.util",
    "import unittest.mock",
    "import subprocess",
    "import pickle",
    "import broken_convnets",
    "import torch._dynamo",
    "import torch.utils.cpp_extension",
    "import numpy.ctypeslib",
    "from os import _exit",
    "from os import kill, path",
    "from torch import _C",
    "from torch import *",
    "from torch.nn.modules.module import _global_forward_hooks",
    "from torch import library",
    "from tempfile import os",
    "from tempfile import sys as s",
    "from functools import update_wrapper",
    "from operator import attrgetter",
    "from copy import copyreg",
    "from . import neighbor",
]
STATEMENTS = [
    "torch.allclose = max",
    "torch.nn.Module.forward = None",
    "nn.Conv2d.forward = lambda self, x: x",
    "nn.Module.__call__ = None",
    "torch.autograd.backward = print",
    "del torch.export",
    "torch.sys.modules.clear()",
    "nn.functional.warnings.simplefilter('ignore')",
    "torch.os._exit(0)",
    "torch._C._set_grad_enabled(False)",
    "torch.set_warn_always(False)",
    "torch.compiler.is_exporting()",
    "torch.jit.is_tracing()",
    "torch.ops.load_library('x.so')",
    "torch.hub.load('a', 'b')",
    "m = torch",
    "print(nn)",
    "[torch.nn][0].Linear",
    "torch = None",
    "getattr(torch, 'o' + 's')",
    "getattr(self, '__cla' + 'ss__')",
    "getattr(self, f'{x}')",
    "getattr(self, f'o{x}')",
    "getattr(self, f'__{x}')",
    "getattr(*x)",
    "list(map(getattr, [x], 's'))",
    "setattr(torch, 'allclose', max)",
    "setattr(x, 'y', 1)",
    "delattr(nn, 'Conv2d')",
    "self.__class__.forward = None",
    "type(self).forward = None",
    "super().training = 1",
    "object.__subclasses__()",
    "self.forward.__globals__",
    "(lambda: 0).__code__",
    "(1 for _ in x).gi_frame.f_back",
    "x.grad_fn.__dict__",
    "net._modules.clear()",
    "globals()['torch']",
    "vars(self)",
    "exec('1')",
    "eval('1')",
    "compile('1', '', 'eval')",
    "__import__('os')",
    "__builtins__['print']",
    "breakpoint()",
    "y = __name__",
    "y = __file__",
    "def __getattribute__(self, name): return 1",
    "self.named_parameters = lambda: []",
    "setattr(self, 'state_dict', dict)",
    "torch.manual_seed(0)",
    "torch.random.fork_rng()",
    "torch.default_generator.manual_seed(0)",
    "torch.nn.modules.module.register_module_forward_hook(print)",
    "self.register_load_state_dict_post_hook(print)",
    "open('/proc/self/mem', 'r+b')",
    "open('../fixes/a.py')",
    "y = open(f'/proc/{x}/fd/3', 'wb')",
    "y = '~/answers'",
]
REFUSED = {
    **{text: importing("copy", text) for text in IMPORTS},
    **{text: doing(text) for text in STATEMENTS},
    **{
        f"a network with its own {name}": patched(
            (
                "    def forward",
                f"    def {name}(self, *arguments):\n        pass\n\n    def forward",
            )
        )
        for name in ("__call__", "named_parameters", "state_dict", "to", "_apply", "training")
    },
    "a property instead of the mode": patched(
        ("    def forward", "    training = property(torch.is_grad_enabled)\n\n    def forward")
    ),
    "a mode that is set with others": patched(
        ("    def forward", "    a, training = 1, True\n\n    def forward")
    ),
    "a captured class": doing("match x:", "    case object(__class__=c):", "        pass"),
    "another guard": patched(("if __name__ ==", "if __name__ !=")),
    "a guard with an else": f"{HEALTHY}else:\n    Net = None\n",
    "a guard in a function": doing("if __name__ == '__main__':", "    x = 0"),
}
ALLOWED = [
    "y = getattr(self, 'conv')",
    "y = getattr(self, f'conv{1}')",
    "setattr(self, f'layer{1}', nn.ReLU())",
    "self._scale = 2",
    "y = super()._get_name()",
    "y = hasattr(self, 'fc')",
    "torch.backends.cudnn.benchmark = True",
    "self.conv.weight.requires_grad = False",
    "next(self.parameters()).requires_grad = False",
    "x.data = x + 1",
    "y = torch.rand(2, generator=torch.Generator().manual_seed(0))",
    "self.conv.training = True",
    "self.conv.register_forward_hook(lambda *_: None)",
    "layer = nn.Conv2d",
    "y = [torch.relu, nn.functional.gelu][0](x)",
    "y = os.listdir('images')",
    "y = os.path.join('a', 'b')",
    "torch.save(self.state_dict(), pathlib.Path('net.pt'))",
    "with tempfile.TemporaryDirectory() as folder: y = f'{folder}/masks'",
    "y = torch.random.get_rng_state()",
    "print(type(x), isinstance(x, object))",
    "y = functools.partial(torch.flatten, start_dim=1)",
    "torch.distributed.is_available()",
]
WHOLE = {
    "a call of something other than a network": importing(
        "copy", "class Scale:\n    def __call__(self, x):\n        return x\n"
    ),
    "a mode of its own": patched(
        (
            "    def forward",
            "    def train(self, mode=True):\n        return self\n\n    def forward",
        )
    ),
    "a seed for the whole program": importing("copy", "torch.manual_seed(0)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    found = _violations(REFUSED[name])
    assert found
    assert all(text.startswith("line ") for text in found)


@pytest.mark.parametrize("line", ALLOWED)
def test_allowed(line: str) -> None:
    assert _violations(doing(line, needs="functools, os, pathlib, tempfile")) == []


@pytest.mark.parametrize("name", WHOLE)
def test_a_program_may_have(name: str) -> None:
    assert _violations(WHOLE[name]) == []


def test_the_line_and_the_reason_are_named() -> None:
    source = importing("copy", "from os import kill", "import gc")
    first, second = _violations(source)
    assert first.startswith("line 7 imports os.kill, which is not for programs: of os, use only ")
    assert second.startswith("line 9 imports gc, which is not for programs: import only PIL, ")


def test_every_program_of_the_corpus_is_allowed() -> None:
    programs = [
        source for entry in our_corpus().entries.values() for source in entry.programs().values()
    ]
    assert len(programs) > 400
    assert [text for source in programs for text in _violations(source)] == []


class NoRunner:
    """Fails if anything is run."""


def test_a_refused_fix_is_not_run_and_is_no_repair() -> None:
    grader = object.__new__(Grader)
    grader._runner = NoRunner()  # type: ignore[assignment]  # a stub
    grader._release = "2.14.1"
    result = grader.grade(case_of(Pair()), importing("sys", "sys.modules.clear()"), "net.py")
    assert not result.solved
    assert {one.law for one in result.violations} == {checks.CONTRACT.name}
    assert result.violations[0].note.startswith("line 3 imports sys")
