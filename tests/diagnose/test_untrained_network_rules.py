"""Rules about what programs of few steps show: zeros, cut graphs, predictions, unused metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "weights_stay_zero": "module/zero_initialization",
    "no_grad_between_layers": "training/no_grad_in_forward",
    "metric_ignores_answers": "loss/broadcast_metric",
    "infers_in_train_mode": "training/forgot_eval",
    "inference_keeps_graphs": "memory/missing_no_grad",
    "layer_discarded": "training/layer_output_discarded",
    "layer_never_called": "training/unused_layer",
    "sum_keeps_graphs": "memory/loss_accumulation",
    "scheduler_steps_per_batch": "training/scheduler_per_batch",
    "term_without_gradient": "training/no_grad_in_forward",
}
DEEP = """
class Gauge(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.middle = nn.Conv2d(6, 6, 3, padding=1)
        self.out = nn.Linear(6 * 4 * 4, 4)
        {init}

    def forward(self, x):
        {forward}
        return self.out(F.silu(x).flatten(1))
"""
PLAIN = "x = self.middle(F.silu(self.stem(x)))"
FIT = """
model = Net()
adam = torch.optim.Adam(model.parameters(), lr=1e-3)
{schedule}
{total}
for round in range(2):
    for x, y in zip(images.split(8)[:{batches}], labels.split(8)):
        adam.zero_grad()
        cost = F.cross_entropy(model(x), y)
        cost.backward()
        adam.step()
        {inner}
    {outer}
"""
METRIC = """
def {name}(scores, truth):
    {body}

F.cross_entropy(Net()(images), labels).backward()
"""
PREDICT = """
def classify(network, pixels):
    {before}
        {call}
    return {answer}

classify(Net(), images)
"""
SKIPPED = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(5, 5, 3, padding=1), nn.BatchNorm2d(5)

    def forward(self, x):
        self.last = F.relu(self.two(self.one(x)), inplace=True)
        return self.last

class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.block, self.out = nn.Conv2d(3, 5, 3), Block(), nn.Linear(80, 4)
        self.block.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        x = F.relu(self.stem(x))
        {call}
        return self.out(x.flatten(1))

Blocks()(images)
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "weights_stay_zero.loop": DEEP.format(
        forward=PLAIN,
        init="""
        for layer in self.children():
            nn.init.zeros_(layer.weight)  # cause
            nn.init.zeros_(layer.bias)""",
    )
    + "print(Gauge()(images).shape)",
    "weights_stay_zero.apply": """
def reset(layer):
    if hasattr(layer, "weight"):
        nn.init.constant_(layer.weight, 0)  # cause

body = nn.Sequential(nn.Flatten(), nn.Linear(108, 12, bias=False), nn.Tanh(), nn.Linear(12, 4))
body.apply(reset)
with torch.no_grad():
    body.eval()(images)
""",
    "no_grad_between_layers.middle": DEEP.format(
        init="",
        forward="""
        x = F.silu(self.stem(x))
        with torch.no_grad():  # cause
            x = self.middle(x)""",
    )
    + "Gauge()(images)",
    "no_grad_between_layers.activation": DEEP.format(
        init="",
        forward="""
        x = self.middle(F.silu(self.stem(x)))
        with torch.inference_mode(False), torch.no_grad():
            pass
        with torch.no_grad():  # cause
            x = x.relu()""",
    )
    + "Gauge()(images)",
    "no_grad_between_layers.eval": DEEP.format(
        init="",
        forward="""
        x = self.stem(x)
        with torch.no_grad():  # cause
            x = self.middle(x.relu())""",
    )
    + """
gauge = Gauge().eval()
with torch.no_grad():
    print(gauge(images).argmax(1))
""",
    "term_without_gradient.middle": DEEP.format(
        init="",
        forward="""
        x = F.silu(self.stem(x))
        with torch.no_grad():
            x = self.middle(x)  # cause""",
    )
    + "F.cross_entropy(Gauge()(images), labels).backward()",
    "layer_discarded.block": SKIPPED.format(call="self.block(x)  # cause"),
    "layer_never_called.helper": """
class Helped(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.mix = nn.Conv2d(4, 4, 1)  # cause
        self.out = nn.Linear(64, 4)

    def features(self, x):
        x = F.relu(self.stem(x))
        return x.flatten(1)

    def forward(self, x):
        return self.out(self.features(x))

print(Helped()(images).shape)
""",
    "metric_ignores_answers.values": METRIC.format(
        name="hits",
        body="best = scores.max(1).values  # cause\n    return (best == truth).float().mean()",
    ),
    "metric_ignores_answers.column": METRIC.format(
        name="share_right",
        body="""chosen = torch.argmax(scores, 1, keepdim=True)  # cause
    return chosen.eq(truth).sum().item() / chosen.eq(truth).numel()""",
    ),
    "infers_in_train_mode.returned": PREDICT.format(
        before="with torch.no_grad():", call="logits = network(pixels)  # cause", answer="logits"
    ),
    "inference_keeps_graphs.returned": PREDICT.format(
        before="network.eval()\n    if pixels.ndim == 4:",
        call="logits = network(pixels)  # cause",
        answer="logits",
    ),
    "sum_keeps_graphs.two": FIT.format(
        schedule="", batches=1, total="running = 0.0", outer="", inner="running += cost  # cause"
    ),
    "scheduler_steps_per_batch.two": FIT.format(
        schedule="decay = torch.optim.lr_scheduler.StepLR(adam, 1, gamma=0.4)",
        batches=2,
        total="",
        outer="",
        inner="decay.step()  # cause",
    ),
}
HEALTHY = {
    "last_layer_of_zeros": DEEP.format(
        forward=PLAIN, init="nn.init.zeros_(self.out.weight); nn.init.zeros_(self.out.bias)"
    )
    + "print(Gauge()(images).shape)",
    "zeros_at_the_end_of_a_branch": DEEP.format(
        forward="x = self.stem(x); x = x + self.middle(x)",
        init="nn.init.zeros_(self.middle.weight); nn.init.zeros_(self.out.weight)",
    )
    + "print(Gauge()(images).shape)",
    "low_rank_update_of_zeros": """
class Updated(nn.Module):
    def __init__(self):
        super().__init__()
        self.base = nn.Linear(108, 4).requires_grad_(False)
        self.down, self.up = nn.Linear(108, 2, bias=False), nn.Linear(2, 4, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.base(x.flatten(1)) + self.up(self.down(x.flatten(1)))

print(Updated()(images).shape)
""",
    "frozen_beginning": DEEP.format(
        init="",
        forward="""
        with torch.no_grad():
            x = self.middle(F.silu(self.stem(x)))""",
    )
    + "Gauge()(images)",
    "iterations_of_which_the_last_has_a_gradient": DEEP.format(
        init="",
        forward="""
        x = start = self.stem(x)
        with torch.no_grad():
            for _ in range(3):
                x = self.middle(x) + start
        x = self.middle(x) + start""",
    )
    + "Gauge()(images)",
    "attention_that_learns_nothing": DEEP.format(
        init="",
        forward="""
        x = self.middle(F.silu(self.stem(x)))
        with torch.no_grad():
            mask = (x.mean(1, keepdim=True) > 0).float()
        x = x * mask""",
    )
    + "Gauge()(images)",
    "post_processing": """
class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 5, 1)

    def forward(self, x):
        found = self.head(x)
        if self.training:
            return found
        with torch.no_grad():
            return found.flatten(2).sigmoid().topk(3).values

with torch.no_grad():
    print(Detector().eval()(images).mean())
""",
    "output_that_is_kept": SKIPPED.format(call="self.block(x); x = x + self.block.last"),
    "count_of_calls": SKIPPED.format(call="self.block.count.add_(1); x = self.block(x)"),
    "features_taken_by_a_hook": SKIPPED.format(call="self.block(x)").replace(
        "Blocks()(images)",
        """net, kept = Blocks(), []
net.block.register_forward_hook(lambda _, given, made: kept.append(made))
net(images)
print(kept[0].mean())""",
    ),
    "metric_of_classes": METRIC.format(
        name="hits", body="return (scores.max(1).indices == truth).float().mean()"
    ),
    "metric_with_equal_shapes": METRIC.format(
        name="hits",
        body="""chosen = scores.argmax(dim=1, keepdim=True)
    return chosen.eq(truth.view_as(chosen)).sum().item() / len(truth)""",
    ),
    "metric_of_one_hot_labels": METRIC.format(
        name="hits", body="return (scores.argmax(1) == truth.argmax(1)).float().mean()"
    ),
    "confidence_of_right_answers": METRIC.format(
        name="confidence",
        body="p, best = scores.softmax(1).max(1)\n    return p[best == truth].mean()",
    ),
    "function_that_does_more": METRIC.format(
        name="log_hits",
        body="print(scores.max(1).values == truth)\n    return scores.max().item()",
    ),
    "test_of_the_shape_in_train_mode": """
def check(pixels):
    network = Net()
    with torch.no_grad():
        logits = network(pixels)
    return logits.shape

check(images)
""",
    "test_of_the_shape_in_eval_mode": """
def check(pixels):
    network = Net()
    network.eval()
    logits = network(pixels)
    return logits

print(check(images).shape)
""",
    "predicts": PREDICT.format(
        before="network.eval()\n    with torch.no_grad():",
        call="logits = network(pixels)",
        answer="logits",
    ),
    "scores_whose_gradient_is_needed": PREDICT.format(
        before="network.eval()\n    if pixels.ndim == 4:",
        call="logits = network(pixels)",
        answer="logits",
    ).replace(
        "classify(Net(), images)", "classify(Net(), images.requires_grad_()).sum().backward()"
    ),
    "sum_of_numbers": FIT.format(
        schedule="", batches=1, total="running = 0.0", outer="", inner="running += cost.item()"
    ),
    "schedule_of_epochs": FIT.format(
        schedule="decay = torch.optim.lr_scheduler.StepLR(adam, 1, gamma=0.4)",
        batches=2,
        total="",
        outer="decay.step()",
        inner="",
    ),
    "schedule_of_many_batches": FIT.format(
        schedule="decay = torch.optim.lr_scheduler.StepLR(adam, 1, gamma=0.999)",
        batches=2,
        total="",
        outer="",
        inner="decay.step()",
    ),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    return judge(tmp_path_factory.mktemp("programs"), BROKEN | HEALTHY)


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_found_at_its_line(name: str, judged: Mapping[str, Judged]) -> None:
    rule = name.partition(".")[0]
    judged[name].assert_cause(rule, KINDS[rule])


@pytest.mark.parametrize("name", sorted({*BROKEN} - {"layer_never_called.helper"}))
def test_the_first_change_is_a_fix(name: str, judged: Mapping[str, Judged]) -> None:
    rule = name.partition(".")[0]
    judged[name].assert_fix(rule)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()
