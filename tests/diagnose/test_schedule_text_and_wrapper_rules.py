"""Rules about schedules, numbers that are still text, wrapped networks, and custom functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judging import Judged

PLATEAU = """
from torch.optim.lr_scheduler import ReduceLROnPlateau
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

def epoch():
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()

"""
KEEPING = """
import copy

class Keeper(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.seen = Net(), None

    def forward(self, x):
        {body}

keeper = Keeper()
keeper(images)
twin = copy.deepcopy(keeper)
"""
# Each program has one mistake, in the line that is marked. Its rule, the kind, and the program.
BROKEN = {
    "accuracy_that_rises": (
        "plateau_in_the_wrong_mode",
        "training/plateau_metric",
        f"""{PLATEAU}
schedule = ReduceLROnPlateau(optimizer, patience=1)  # cause
for val_acc in (0.2, 0.3, 0.4, 0.5, 0.6):
    epoch()
    schedule.step(val_acc)
""",
    ),
    "loss_that_falls": (
        "plateau_in_the_wrong_mode",
        "training/plateau_metric",
        f"""{PLATEAU}
schedule = ReduceLROnPlateau(optimizer, "max", patience=0)  # cause
losses = torch.tensor([2.0, 1.5, 1.2, 1.1])
for loss in losses:
    epoch()
    schedule.step(metrics=loss)
""",
    ),
    "mean_of_losses": (
        "plateau_in_the_wrong_mode",
        "training/plateau_metric",
        f"""{PLATEAU}
schedule = ReduceLROnPlateau(optimizer, "max", patience=0)  # cause
for start in (2.0, 1.5, 1.2, 1.1):
    losses = []
    for part in (0.1, 0.2):
        epoch()
        losses.append(torch.tensor(start + part))
    mean = sum(losses) / len(losses)
    schedule.step(mean.item())
""",
    ),
    "accuracy_of_a_function": (
        "plateau_in_the_wrong_mode",
        "training/plateau_metric",
        f"""{PLATEAU}
values = iter((0.2, 0.3, 0.4, 0.5))

def top1_accuracy(net):
    return next(values)

schedule = ReduceLROnPlateau(optimizer, patience=0)  # cause
for _ in range(4):
    epoch()
    schedule.step(float(top1_accuracy(net)))
""",
    ),
    "option_without_type": (
        "text_instead_of_number",
        "data/string_labels",
        """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", default="1e-2")  # cause
options = parser.parse_args([])

def build(parameters, lr):
    return torch.optim.Adam(parameters, lr=lr)

build(Net().parameters(), options.learning_rate)
""",
    ),
    "environment": (
        "text_instead_of_number",
        "data/string_labels",
        """
settings = {"width": "8"}
width = settings["width"]  # cause
layer = nn.Conv2d(3, width, 3)
""",
    ),
    "output_kept_by_forward": (
        "tensor_with_graph_on_module",
        "memory/outputs_kept_with_graph",
        KEEPING.format(body="self.seen = self.net(x)  # cause\n        return self.seen"),
    ),
}
RAISING = {
    "method_of_the_wrapped_network": (
        "attribute_of_the_wrapped_network",
        "state/dataparallel_prefix",
        """
class Encoder(Net):
    def encode(self, x):
        return self(x)

net = nn.DataParallel(Encoder())
print(net.encode(images).shape)  # cause
""",
    ),
    "too_few_gradients": (
        "gradients_of_arguments",
        "training/forward_signature",
        """
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor  # cause

Scale.apply(Net()(images), 2.0).sum().backward()
""",
    ),
    "steps_rounded_down": (
        "total_steps_exceeded",
        "training/onecycle_total_steps",
        """
from torch.utils.data import DataLoader, TensorDataset

net, data, size = Net(), TensorDataset(images, labels), 6
batches = DataLoader(data, batch_size=size, shuffle=True)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
count = len(data) // size  # cause
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=4, steps_per_epoch=count)
for epoch in range(4):
    for x, y in batches:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        schedule.step()
""",
    ),
    "steps_of_one_epoch": (
        "total_steps_exceeded",
        "training/onecycle_total_steps",
        """
net, rounds, batches = Net(), 3, images.split(4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=len(batches))  # cause
for epoch in range(rounds):
    for x, y in zip(batches, labels.split(4)):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        schedule.step()
""",
    ),
    "unscaled_for_each_part": (
        "scaler_without_update",
        "training/scaler_never_scaled",
        """
net, scaler = Net(), torch.amp.GradScaler("cpu")
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for i, (x, y) in enumerate(zip(images.split(4), labels.split(4))):
    scaler.scale(F.cross_entropy(net(x), y) / 2).backward()
    scaler.unscale_(optimizer)  # cause
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    if i % 2:
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
""",
    ),
}
BROKEN |= RAISING
HEALTHY = {
    "plateaus_that_are_right": f"""{PLATEAU}
by_accuracy = ReduceLROnPlateau(optimizer, mode="max", patience=0)
by_loss = ReduceLROnPlateau(optimizer, patience=0)
for accuracy, loss in ((0.2, 2.0), (0.3, 1.5), (0.3, 1.6), (0.1, 1.7)):
    epoch()
    by_accuracy.step(accuracy)
    by_loss.step(loss)
""",
    "negated_accuracy": f"""{PLATEAU}
schedule = ReduceLROnPlateau(optimizer, patience=0)
for accuracy in (0.2, 0.3, 0.3, 0.1):
    epoch()
    schedule.step(-accuracy)
""",
    "error_from_an_accuracy": f"""{PLATEAU}
schedule = ReduceLROnPlateau(optimizer, patience=0)
for accuracy in (0.2, 0.3, 0.3, 0.1):
    epoch()
    left = 1 - accuracy
    schedule.step(left)
""",
    "score_from_a_loss": f"""{PLATEAU}
schedule = ReduceLROnPlateau(optimizer, "max", patience=0)
for loss in (2.0, 1.5, 1.6, 1.7):
    epoch()
    schedule.step(1 / (1 + loss))
""",
    "metric_without_a_telling_name": f"""{PLATEAU}
schedule = ReduceLROnPlateau(optimizer, patience=0)
for metric in (0.2, 0.3, 0.4):
    epoch()
    schedule.step(metric)
""",
    "output_kept_without_graph": KEEPING.format(
        body="out = self.net(x)\n        self.seen = out.detach()\n        return out"
    ),
}
OTHER = {
    "text_that_is_no_number": "nn.Conv2d(3, 'same', 3)",
    "two_texts": "a, b = '1', '2'\nnn.Linear(a, b)",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_found_at_its_line_and_the_fix_works(
    name: str, judged: Mapping[str, Judged]
) -> None:
    rule, kind, _ = BROKEN[name]
    if judged[name].raised:
        judged[name].assert_cause_and_fix(rule, kind)
    else:
        judged[name].assert_cause(rule, kind)
        judged[name].assert_fix(rule)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()


@pytest.mark.parametrize("name", OTHER)
def test_other_failures_are_left_to_other_rules(name: str, judged: Mapping[str, Judged]) -> None:
    assert judged[name].raised
    assert "text_instead_of_number" not in judged[name].rules
