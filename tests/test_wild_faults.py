"""Each fault class changes a program as its case says, in a place that fits and in no other."""

from __future__ import annotations

import ast
import difflib

import pytest
from broken_convnets.commands.wild.drafts import Draft, Draws, broken_sources
from broken_convnets.commands.wild.faults.all_faults import faults_named
from broken_convnets.commands.wild.faults.edits import applied
from broken_convnets.commands.wild.faults.registry import FAULTS
from broken_convnets.commands.wild.hosts.registry import hosts_named
from broken_convnets.commands.wild.store import OriginalCheck
from broken_convnets.corpus.declared import read_case
from broken_convnets.corpus.entries import default_root
from kit import slow_but

PROGRAM = """\
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):

    def __init__(self, width, planes, stride):
        super().__init__()
        self.conv = nn.Conv2d(width, planes, 3, stride=stride)
        self.bn = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(planes, planes // 2)
        layers = [self.conv]
        layers.append(self.bn)
        for _ in range(1, width):
            layers.append(nn.Conv2d(planes, planes, 3))
        self.layers = nn.Sequential(*layers)
        nn.init.normal_(self.conv.weight)

    def forward(self, x):
        x = self.conv(x)
        x = self.relu(x)
        x = self.layers(x)
        if x.shape:
            x = torch.cat([x, x], dim=1)
        x = torch.flatten(x, 1)
        x = F.dropout(x, p=0.2, training=self.training)
        if self.training:
            return self.fc(x)
        else:
            return x


class Head(nn.Module):

    def forward(self, x):
        x = x.mean([2, 3])
        return x


class Net(nn.Module):

    def __init__(self):
        super().__init__()
        self.register_buffer('mean', torch.ones(3, 1, 1))
        self.model = Block(3, 4, 1)
        self.head = nn.Linear(2, 2)

    def forward(self, x):
        x = x - self.mean
        x = self.head(self.model(x))
        return torch.softmax(x, dim=1)


def example_inputs(batch_size=8):
    return (torch.rand(batch_size, 3, 8, 8),)


def example_targets(batch_size=8):
    return (torch.arange(batch_size) % 2,)


def run(net, images, targets):
    optimizer = torch.optim.SGD(net.parameters())
    total = torch.zeros(())
    for epoch in range(2):
        net.train()
        optimizer.zero_grad()
        outputs = net(images)
        loss = F.cross_entropy(outputs, targets)
        loss.backward()
        optimizer.step()
        total += loss.detach()
        scheduler.step()
    net.eval()
    with torch.no_grad():
        outputs = net(images)
    return loss


def score(outputs, targets):
    predicted = outputs.argmax(dim=1)
    return (predicted == targets).float().mean()
"""
# A program in which no class finds a site.
OTHER = """\
import torch


def run(net, images):
    return net(images)
"""
BUFFER = "self.register_buffer('mean', torch.ones(3, 1, 1))"
LOSS = "loss = F.cross_entropy(outputs, targets)"
AUXILIARY = """\
aux_loss = F.cross_entropy(outputs['aux'], targets)
        loss = F.cross_entropy(outputs['out'], targets) + 0.5 * aux_loss"""
SUMS = {"none/aux_output_tuple_in_loss"}  # if there are auxiliary heads
RAW = {"shape/grayscale_into_rgb_network", "dtype/uint8_images"}  # if images are not normalized
# The lines that the first site of each class removes and adds.
CHANGES = {
    "batch/softmax_over_batch": (
        "-return torch.softmax(x, dim=1)",
        "+return torch.softmax(x, dim=0)",
    ),
    "device/tensor_created_on_cpu_in_forward": (
        "-x = x - self.mean",
        "+x = x - torch.ones(3, 1, 1)",
    ),
    "device/unregistered_buffer": (
        "-self.register_buffer('mean', torch.ones(3, 1, 1))",
        "+self.mean = torch.ones(3, 1, 1)",
    ),
    "dtype/float_class_labels": (
        "-return (torch.arange(batch_size) % 2,)",
        "+return ((torch.arange(batch_size) % 2).float(),)",
    ),
    "dtype/uint8_images": (
        "-return (torch.rand(batch_size, 3, 8, 8),)",
        "+return (torch.randint(256, (batch_size, 3, 8, 8), dtype=torch.uint8),)",
    ),
    "loss/backward_on_per_image_loss": (
        "-loss = F.cross_entropy(outputs, targets)",
        "+loss = F.cross_entropy(outputs, targets, reduction='none')",
    ),
    "loss/broadcast_accuracy": (
        "-predicted = outputs.argmax(dim=1)",
        "+predicted = outputs.argmax(dim=1, keepdim=True)",
    ),
    "loss/labels_start_at_one": (
        "-return (torch.arange(batch_size) % 2,)",
        "+return (torch.arange(batch_size) % 2 + 1,)",
    ),
    "loss/loss_module_as_function": (
        "-loss = F.cross_entropy(outputs, targets)",
        "+loss = nn.CrossEntropyLoss(outputs, targets)",
    ),
    "loss/max_instead_of_argmax": (
        "-predicted = outputs.argmax(dim=1)",
        "+predicted = outputs.max(dim=1).values",
    ),
    "loss/softmax_before_cross_entropy": (
        "-loss = F.cross_entropy(outputs, targets)",
        "+loss = F.cross_entropy(torch.softmax(outputs, dim=1), targets)",
    ),
    "memory/loss_sum_keeps_graph": (
        "-total += loss.detach()",
        "+total += loss",
    ),
    "memory/missing_no_grad_at_inference": (
        "-with torch.no_grad():",
        "-outputs = net(images)",
        "+outputs = net(images)",
    ),
    "module/called_modulelist": (
        "-self.layers = nn.Sequential(*layers)",
        "+self.layers = nn.ModuleList(layers)",
    ),
    "module/discarded_layer_output": (
        "-x = self.conv(x)",
        "+self.conv(x)",
    ),
    "module/dropout_created_in_forward": (
        "-x = F.dropout(x, p=0.2, training=self.training)",
        "+x = nn.Dropout(p=0.2)(x)",
    ),
    "module/forward_missing_self": (
        "-def forward(self, x):",
        "+def forward(x):",
    ),
    "module/functional_dropout_ignores_eval": (
        "-x = F.dropout(x, p=0.2, training=self.training)",
        "+x = F.dropout(x, p=0.2)",
    ),
    "module/inplace_relu_on_input": (
        "-x = x - self.mean",
        "+x -= self.mean",
    ),
    "module/layer_constructed_with_input": (
        "-x = self.relu(x)",
        "+x = nn.ReLU(x)",
    ),
    "module/layer_created_in_forward": (
        "-x = self.head(self.model(x))",
        "+x = nn.Linear(2, 2)(self.model(x))",
    ),
    "module/layers_in_python_list": (
        "-self.layers = nn.Sequential(*layers)",
        "+self.layers = layers",
        "-x = self.layers(x)",
        "+for layer in self.layers:",
        "+x = layer(x)",
    ),
    "module/list_passed_to_sequential": (
        "-self.layers = nn.Sequential(*layers)",
        "+self.layers = nn.Sequential(layers)",
    ),
    "module/missing_super_init": ("-super().__init__()",),
    "module/misspelled_forward": (
        "-def forward(self, x):",
        "+def foward(self, x):",
    ),
    "module/output_overwrites_layer": (
        "-x = self.conv(x)",
        "+self.conv = self.conv(x)",
    ),
    "module/shared_block_list_multiplication": (
        "-for _ in range(1, width):",
        "-layers.append(nn.Conv2d(planes, planes, 3))",
        "+layers.extend([nn.Conv2d(planes, planes, 3)] * (width - 1))",
    ),
    "module/unused_layer": ("-x = self.conv(x)",),
    "module/zero_initialized_weights": (
        "-nn.init.normal_(self.conv.weight)",
        "+nn.init.zeros_(self.conv.weight)",
    ),
    "none/append_result_assigned": (
        "-layers.append(self.bn)",
        "+layers = layers.append(self.bn)",
    ),
    "none/aux_output_tuple_in_loss": (
        "-aux_loss = F.cross_entropy(outputs['aux'], targets)",
        "-loss = F.cross_entropy(outputs['out'], targets) + 0.5 * aux_loss",
        "+loss = F.cross_entropy(outputs, targets)",
    ),
    "none/conditional_return": (
        "-else:",
        "-return x",
    ),
    "none/layer_not_called": (
        "-x = self.conv(x)",
        "+x = self.conv",
    ),
    "none/missing_return": ("-return x",),
    "none/trailing_comma_tuple": (
        "-x = self.conv(x)",
        "+x = (self.conv(x),)",
    ),
    "shape/batchnorm_channel_mismatch": (
        "-self.bn = nn.BatchNorm2d(planes)",
        "+self.bn = nn.BatchNorm2d(width)",
    ),
    "shape/channels_last_images": (
        "-return (torch.rand(batch_size, 3, 8, 8),)",
        "+return (torch.rand(batch_size, 8, 8, 3),)",
    ),
    "shape/concat_along_batch": (
        "-x = torch.cat([x, x], dim=1)",
        "+x = torch.cat([x, x], dim=0)",
    ),
    "shape/conv2d_argument_order": (
        "-self.conv = nn.Conv2d(width, planes, 3, stride=stride)",
        "+self.conv = nn.Conv2d(planes, width, 3, stride=stride)",
    ),
    "shape/conv_in_channels_mismatch": (
        "-self.conv = nn.Conv2d(width, planes, 3, stride=stride)",
        "+self.conv = nn.Conv2d(planes, planes, 3, stride=stride)",
    ),
    "shape/float_channels": (
        "-self.fc = nn.Linear(planes, planes // 2)",
        "+self.fc = nn.Linear(planes, planes / 2)",
    ),
    "shape/grayscale_into_rgb_network": (
        "-return (torch.rand(batch_size, 3, 8, 8),)",
        "+return (torch.rand(batch_size, 1, 8, 8),)",
    ),
    "shape/linear_in_features_adaptive_pool": (
        "-self.fc = nn.Linear(planes, planes // 2)",
        "+self.fc = nn.Linear(width, planes // 2)",
    ),
    "shape/missing_flatten": ("-x = torch.flatten(x, 1)",),
    "shape/residual_shortcut_stride": (
        "-self.conv = nn.Conv2d(width, planes, 3, stride=stride)",
        "+self.conv = nn.Conv2d(width, planes, 3)",
    ),
    "training/backward_on_float": (
        "-loss = F.cross_entropy(outputs, targets)",
        "+loss = F.cross_entropy(outputs, targets).item()",
    ),
    "training/backward_twice": ("+loss.backward()",),
    "training/head_not_in_optimizer": (
        "-optimizer = torch.optim.SGD(net.parameters())",
        "+optimizer = torch.optim.SGD(net.model.parameters())",
    ),
    "training/loss_term_under_no_grad": (
        "-x = self.conv(x)",
        "+with torch.no_grad():",
        "+x = self.conv(x)",
    ),
    "training/loss_wrapped_in_new_tensor": (
        "+loss = torch.tensor(loss.item(), requires_grad=True)",
    ),
    "training/missing_eval_mode": ("-net.eval()",),
    "training/missing_optimizer_step": ("-optimizer.step()",),
    "training/missing_train_mode_after_validation": ("-net.train()",),
    "training/missing_zero_grad": ("-optimizer.zero_grad()",),
    "training/scheduler_per_batch": (
        "+scheduler.step()",
        "-scheduler.step()",
    ),
}


def changes(before: str, after: str) -> tuple[str, ...]:
    """Return the lines that differ, with a sign, without their indentation."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0)
    changed = [line for line in lines if line[0] in "+-" and line[:3] not in {"+++", "---"}]
    return tuple(line[0] + line[1:].strip() for line in changed if line[1:].strip())


def test_every_fault_class_has_an_example() -> None:
    assert CHANGES.keys() == FAULTS.keys()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_class_changes_the_lines_of_its_mistake(name: str) -> None:
    program = PROGRAM.replace(BUFFER, "self.mean = 0.5") if name in RAW else PROGRAM
    tree = ast.parse(program.replace(LOSS, AUXILIARY) if name in SUMS else program)
    before = ast.unparse(tree)
    first = next(iter(FAULTS[name].find(tree)))
    assert changes(before, ast.unparse(applied(tree, first))) == CHANGES[name]
    assert ast.unparse(tree) == before


def test_a_return_can_be_indented_into_the_condition_before_it() -> None:
    tree = ast.parse(
        "class Block(nn.Module):\n"
        "    def forward(self, x):\n"
        "        out = self.conv(x)\n"
        "        if self.adds:\n"
        "            out += x\n"
        "        return out\n"
    )
    (site,) = FAULTS["none/conditional_return"].find(tree)
    assert ast.unparse(applied(tree, site)).endswith(
        "        if self.adds:\n            out += x\n            return out"
    )


def test_the_loss_of_auxiliary_heads_is_one_loss() -> None:
    tree = ast.parse(PROGRAM.replace(LOSS, AUXILIARY))
    found = {}
    for name in ("training/backward_on_float", "loss/backward_on_per_image_loss"):
        (site,) = FAULTS[name].find(tree)
        found[name] = changes(ast.unparse(tree), ast.unparse(applied(tree, site)))[1]
    assert list(found.values()) == [
        "+loss = (F.cross_entropy(outputs['out'], targets) + 0.5 * aux_loss).item()",
        "+loss = F.cross_entropy(outputs['out'], targets, reduction='none') + 0.5 * aux_loss",
    ]


@pytest.mark.parametrize("name", sorted(RAW | SUMS))
def test_a_mistake_needs_images_or_heads_in_which_it_shows(name: str) -> None:
    assert list(FAULTS[name].find(ast.parse(PROGRAM))) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_class_finds_nothing_where_its_mistake_does_not_fit(name: str) -> None:
    assert list(FAULTS[name].find(ast.parse(OTHER))) == []


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_class_is_a_case_of_the_corpus_and_fails_like_it(name: str) -> None:
    declared = read_case(f"{default_root()}/cases/{name}.toml").broken
    fault = FAULTS[name]
    if fault.silent:
        assert fault.violates <= declared.violates
    else:
        assert declared.raises in fault.raises


@pytest.mark.parametrize("name", slow_but([*FAULTS][::6], FAULTS))
def test_every_fault_class_fits_a_model_and_changes_few_lines(name: str) -> None:
    draft = next(Draws(hosts_named([]), faults_named([name]), 3).drafts(0))
    source = next(broken_sources(draft, everything(draft)))
    assert 0 < len(changes(draft.original.source, source)) <= 8


def everything(draft: Draft) -> OriginalCheck:
    """Return the check of a healthy program that runs every line, and whose layers all fit."""
    nodes = ast.walk(ast.parse(draft.original.source))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return OriginalCheck(lines=list(range(1, 1000)), same_shape=sorted(names))
