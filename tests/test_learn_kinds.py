"""Kinds of right fixes that look unlike ours, and of changes that run but are no repair.

A right fix is judged by what the program computes, never by which functions it calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.learn import checks
from broken_convnets.commands.learn.grader import Grader
from broken_convnets.corpus.entries import Case
from broken_convnets.vocabulary import Law
from kit import our_corpus, patched, slow_but

if TYPE_CHECKING:
    from broken_convnets.commands.learn.grading_result import GradingResult
    from broken_convnets.sandbox.fork_client import ForkServer

Changes = tuple[tuple[str, str], ...]

CORPUS = our_corpus()
ARGMAX = "torch.stack([net(image).argmax() for image in images])"
ATTENTION = "        x = x * weights[:, :, None, None]\n"
BLOCK = "torch.relu(self.conv(x) + self.shortcut(x))"
CROSS_ENTROPY = "F.cross_entropy(net(images), labels)"
LINEAR = "nn.Linear(8 * 6 * 6, 10)"
MSE = "F.mse_loss(net(images), levels)"
NORM = "nn.BatchNorm1d(32)"

RIGHT: dict[str, tuple[str, Changes]] = {
    "integers converted in the network": (
        "dtype/integer_images",
        (("self.conv(x)", "self.conv(x.float())"),),
    ),
    "bytes converted and scaled in the network": (
        "dtype/uint8_images",
        (("self.conv(x)", "self.conv(x.float() / 255)"),),
    ),
    "a batch instead of single images": (
        "batch/unbatched_image",
        ((ARGMAX, "net(images).argmax(dim=1)"),),
    ),
    "a lazy layer": (
        "shape/linear_in_features_image_size",
        (("nn.Linear(16 * 5 * 5, 10)", "nn.LazyLinear(10)"),),
    ),
    "a normalization without running statistics": (
        "batch/batchnorm_single_value",
        ((NORM, "nn.GroupNorm(4, 32)"),),
    ),
    "a mean squared error without mse_loss": (
        "loss/broadcast_mse_loss",
        ((MSE, "((net(images).squeeze(1) - levels) ** 2).mean()"),),
    ),
    "a cross entropy without cross_entropy": (
        "loss/labels_start_at_one",
        (
            (
                CROSS_ENTROPY,
                "-torch.log_softmax(net(images), 1).gather(1, labels[:, None] - 1).mean()",
            ),
        ),
    ),
    "a shortcut padded with zeros": (
        "shape/residual_channel_mismatch",
        (("self.shortcut(x))", "nn.functional.pad(x, (0, 0, 0, 0, 0, 8)))"),),
    ),
    "a head after a global mean": (
        "shape/missing_flatten",
        ((LINEAR, "nn.Linear(8, 10)"), ("self.fc(x)", "self.fc(x.mean(dim=(2, 3)))")),
    ),
    "pixels scaled in the network": (
        "data/unscaled_pixels",
        (("self.conv(x)", "self.conv(x / 255)"),),
    ),
    "pixels normalized around zero in the network": (
        "data/unscaled_pixels",
        (("self.conv(x)", "self.conv((x - 127.5) / 127.5)"),),
    ),
}

WRONG: dict[str, tuple[str, Changes, str]] = {
    "an addition that autograd does not see": (
        "training/inplace_add_to_relu_output",
        (("out += x", "out.data += x"),),
        Law.GRADIENTS_MATCH_LOSS,
    ),
    "an addition deleted": (
        "training/inplace_add_to_relu_output",
        (("        out += x\n", ""),),
        checks.PATHS.name,
    ),
    "a shortcut deleted": (
        "shape/residual_channel_mismatch",
        ((BLOCK, "torch.relu(self.conv(x))"),),
        checks.PATHS.name,
    ),
    "a strided shortcut deleted": (
        "shape/residual_shortcut_stride",
        ((BLOCK, "torch.relu(self.conv(x))"),),
        checks.PATHS.name,
    ),
    "a shortcut detached": (
        "shape/residual_channel_mismatch",
        (
            ("nn.Identity()", "nn.Conv2d(inputs, outputs, kernel_size=1)"),
            ("self.shortcut(x))", "self.shortcut(x.detach()))"),
        ),
        checks.OUTPUT_GRADIENTS.name,
    ),
    "the features of one head detached": (
        "training/backward_twice",
        (("self.label(x), self.box(x)", "self.label(x), self.box(x.detach())"),),
        Law.GRADIENTS_MATCH_LOSS,
    ),
    "a head over the width alone": (
        "shape/missing_flatten",
        ((LINEAR, "nn.Linear(6, 10)"), ("self.fc(x)", "self.fc(x).mean(dim=(1, 2))")),
        checks.CHANNELS.name,
    ),
    "a head that reads one channel": (
        "shape/missing_flatten",
        ((LINEAR, "nn.Linear(6, 10)"), ("self.fc(x)", "self.fc(x)[:, 0, 0]")),
        checks.CHANNELS.name,
    ),
    "an attention that drops its input": (
        "none/missing_return",
        ((ATTENTION, "        return weights[:, :, None, None].expand_as(x)\n"),),
        checks.PATHS.name,
    ),
    "an attention that detaches its input": (
        "none/missing_return",
        ((ATTENTION, "        return x.detach() * weights[:, :, None, None]\n"),),
        checks.OUTPUT_GRADIENTS.name,
    ),
    "a normalization replaced by an identity": (
        "batch/batchnorm_single_value",
        ((NORM, "nn.Identity()"),),
        Law.STATISTICS_STAY,
    ),
    "a constant instead of the classes": (
        "batch/unbatched_image",
        ((ARGMAX, "torch.zeros(len(images), dtype=torch.int64)"),),
        checks.SIDE_EFFECTS.name,
    ),
    "a batch size that fits one number of samples": (
        "batch/batchnorm_single_value",
        (("batch_size=4)\n    for", "batch_size=3)\n    for"),),
        checks.DEPENDENCIES.name,
    ),
    "pixels cut off instead of scaled": (
        "data/unscaled_pixels",
        (("self.conv(x)", "self.conv(x.clamp(max=1))"),),
        Law.INPUTS_AS_DECLARED,
    ),
    "pixels squashed by a sigmoid": (
        "data/unscaled_pixels",
        (("self.conv(x)", "self.conv(torch.sigmoid(x))"),),
        Law.INPUTS_AS_DECLARED,
    ),
    "pixels reduced to black and white": (
        "data/unscaled_pixels",
        (("self.conv(x)", "self.conv((x > 127).float())"),),
        Law.INPUTS_AS_DECLARED,
    ),
    "pixels left as they are": (
        "data/unscaled_pixels",
        (("self.conv(x)", "self.conv(x / 1)"),),
        Law.INPUTS_AS_DECLARED,
    ),
}


@pytest.fixture(scope="module")
def grader(server: ForkServer) -> Grader:
    return Grader(server)


def _graded(grader: Grader, name: str, changes: Changes) -> GradingResult:
    case = CORPUS.entries[name]
    assert isinstance(case, Case)
    return grader.grade(case, patched(*changes, source=case.broken), "work/net.py")


@pytest.mark.parametrize("kind", slow_but([*RIGHT][:1], RIGHT))
def test_a_right_fix_is_solved_whatever_it_calls(kind: str, grader: Grader) -> None:
    result = _graded(grader, *RIGHT[kind])
    assert result.solved, result


@pytest.mark.parametrize("kind", slow_but([*WRONG][:1], WRONG))
def test_a_change_that_runs_but_repairs_nothing_is_unsolved(kind: str, grader: Grader) -> None:
    name, changes, law = WRONG[kind]
    result = _graded(grader, name, changes)
    assert not result.solved
    assert law in [violation.law for violation in result.violations], result
