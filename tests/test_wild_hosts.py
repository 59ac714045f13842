"""Real models become healthy programs of the case format."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.wild.hosts.networks import OF_SCORES, Wrapper, wrappers_of
from broken_convnets.commands.wild.hosts.original import original
from broken_convnets.commands.wild.hosts.registry import HOSTS, hosts_named
from broken_convnets.commands.wild.hosts.runs import Run
from broken_convnets.commands.wild.hosts.simplify import simplified
from broken_convnets.commands.wild.running import executed
from broken_convnets.corpus.rules import check_program
from broken_convnets.errors import UsageError
from kit import slow_but

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.sandbox.runner import Runner


@pytest.mark.parametrize("name", slow_but([*HOSTS][::4], HOSTS))
def test_every_model_becomes_a_program_of_the_case_format(name: str) -> None:
    host = HOSTS[name]
    for wrapper in wrappers_of(host):
        for run in (Run.FORWARD, Run.TRAIN):
            source = original(host, wrapper, run, "seed").source
            assert check_program(source, generated=True) == []
            assert "import torchvision" not in source
            assert "from torchvision" not in source


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "googlenet_aux",
            [
                "aux_loss1 = F.cross_entropy(outputs.aux_logits1, targets)",
                "aux_loss2 = F.cross_entropy(outputs.aux_logits2, targets)",
                "loss = F.cross_entropy(outputs.logits, targets) + 0.3 * (aux_loss1 + aux_loss2)",
                "validation_loss = F.cross_entropy(outputs, targets)",
            ],
        ),
        (
            "fcn_aux",
            [
                'aux_loss = F.cross_entropy(outputs["aux"], targets)',
                'loss = F.cross_entropy(outputs["out"], targets) + 0.5 * aux_loss',
                'validation_loss = F.cross_entropy(outputs["out"], targets)',
            ],
        ),
    ],
)
def test_the_loss_of_a_model_with_auxiliary_heads_is_a_sum(name: str, lines: list[str]) -> None:
    source = original(HOSTS[name], Wrapper.NOTHING, Run.VALIDATE, "seed").source
    found = [line.strip() for line in source.splitlines()]
    assert [line for line in found if "loss" in line and " = F." in line] == lines


@pytest.mark.parametrize("name", sorted(name for name in HOSTS if HOSTS[name].auxiliary))
def test_what_needs_scores_alone_does_not_surround_a_model_with_auxiliary_heads(name: str) -> None:
    assert not OF_SCORES & {*wrappers_of(HOSTS[name])}


def test_the_lines_of_a_metric_run_although_training_returns_more_outputs(
    runner: Runner,
) -> None:
    source = original(HOSTS["googlenet_aux"], Wrapper.NOTHING, Run.VALIDATE, "seed").source
    (lines,) = executed(runner, [source])
    assert source.splitlines().index("    predicted = outputs.argmax(dim=1)") + 1 in lines


def test_a_program_depends_on_its_seed_alone() -> None:
    host = HOSTS["resnet"]
    texts = [original(host, Wrapper.NOTHING, Run.LOSS, seed).source for seed in "01234567"]
    original.cache_clear()
    again = [original(host, Wrapper.NOTHING, Run.LOSS, seed).source for seed in "01234567"]
    assert texts == again
    assert len(set(texts)) > 1


def test_a_model_of_a_users_file_becomes_a_program(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import torch.nn as nn\n"
        "WIDTH: int = 6\n"
        "class Small(nn.Module):\n"
        '    """Mine."""\n'
        "    def __init__(self, classes: int = 3) -> None:\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, WIDTH, 3)\n"
        "        self.fc = nn.Linear(WIDTH * 30 * 30, classes)\n"
        "    def forward(self, x):\n"
        "        x = self.conv(x)\n"
        "        x = x.flatten(1)\n"
        "        return self.fc(x)\n"
    )
    (host,) = hosts_named([f"{path}:Small"])
    source = original(host, Wrapper.NOTHING, Run.FORWARD, "seed").source
    assert check_program(source, generated=True) == []
    assert "WIDTH = 6" in source
    assert "class Net(Small):" in source


def test_a_block_of_which_nothing_is_kept_leaves_the_code_around_it() -> None:
    source = (
        "for one in x:\n    torch._assert(one, 'no')\n"
        "if a:\n    warnings.warn('a')\nelse:\n    x = 1\n"
        "if b:\n    torch._assert(b, 'no')\n"
        "with c:\n    warnings.warn('c')\n"
    )
    assert ast.unparse(simplified(ast.parse(source))) == (
        "for one in x:\n    pass\nif a:\n    pass\nelse:\n    x = 1\nwith c:\n    pass"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [("alexnot", "unknown; choose from"), ("missing.py:Net", "the file does not exist")],
)
def test_an_unknown_model_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hosts_named([name])


def test_a_class_that_the_file_does_not_define_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    (host,) = hosts_named([f"{tmp_path / 'empty.py'}:Missing"])
    with pytest.raises(UsageError, match="defines no class Missing"):
        original(host, Wrapper.NOTHING, Run.FORWARD, "seed")
