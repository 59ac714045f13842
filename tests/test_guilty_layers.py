"""The layers that contain a mistake are found in the text of a program."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import fake_tools as fake
import msgspec
import pytest
from broken_convnets.commands.score.metrics.score import compute_score
from broken_convnets.commands.score.programs.guilty_layers import guilty_layers
from fake_tools import ask

if TYPE_CHECKING:
    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.commands.score.protocol.messages import Diagnosis

SOURCE = """\
class Inner(nn.Module):
    def forward(self, x):
        x.relu()

class Block(nn.Module):
    def __init__(self):
        self.inner = Inner()
        self.conv = nn.Conv2d(8, 8, 3)

class Net(nn.Module):
    def __init__(self):
        self.conv = nn.Conv2d(3, 8, 3)
        self.blocks = nn.Sequential(Block(), nn.ReLU(), Inner())
        self.more = nn.ModuleList([Inner()])
        self.size = 3

    def forward(self, x):
        x = self.conv
        x = self.conv(x),
        x = torch.relu(self.conv(x))
        x = self.size
        return x
"""


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("x.relu()", {"blocks.0.inner", "blocks.2", "more.0"}),
        ("self.conv = nn.Conv2d(8", {"blocks.0", "blocks.0.conv"}),
        ("self.conv = nn.Conv2d(3", {"conv"}),
        ("x = self.conv\n", {"conv"}),
        ("x = self.conv(x),", {"conv"}),
        ("x = torch.relu", set()),
        ("x = self.size", set()),
        ("return x", set()),
    ],
)
def test_a_line_belongs_to_the_layers_that_it_describes(text: str, layers: set[str]) -> None:
    line = SOURCE[: SOURCE.index(text)].count("\n") + 1
    assert guilty_layers(SOURCE, frozenset({line})) == layers


def test_a_program_without_a_network_has_no_layers() -> None:
    assert guilty_layers("x = 1\n", frozenset({1})) == frozenset()


def test_a_network_that_contains_itself_is_read() -> None:
    source = "class Net(nn.Module):\n    def __init__(self):\n        self.net = Net()\n"
    assert "net" in guilty_layers(source, frozenset({1}))


def _with_guilty_block(program: CorpusProgram) -> CorpusProgram:
    if program.truth is None:
        return program
    return replace(program, truth=replace(program.truth, guilty_layers=frozenset({"block"})))


@pytest.mark.parametrize(("module", "credited"), [("block", 12), ("conv9", 0)])
def test_a_tool_that_names_the_guilty_layer_is_right(module: str, credited: int) -> None:
    """The layer that raises is right too: `test_the_oracle_has_a_perfect_score`."""

    def tool(program: CorpusProgram) -> Diagnosis:
        found = fake.oracle(program)
        findings = [msgspec.structs.replace(one, module=module) for one in found.findings]
        return msgspec.structs.replace(found, findings=findings)

    programs = [_with_guilty_block(one) for one in fake.programs(cases=48, controls=24)]
    assert compute_score(ask(tool, programs)).location.layer.count == credited
