"""Rules about what losses receive: activations, logarithms, ranges and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import CAUSE, Judged

if TYPE_CHECKING:
    from collections.abc import Mapping

# By the name of a program: the rule, the kind, and the program, with one mistake in a marked line.
BROKEN = {
    "softmax_in_sequential": (
        "activation_before_loss",
        "training/softmax_before_ce",
        """
net = nn.Sequential(
    nn.Flatten(),
    nn.Linear(108, 4),
    nn.Softmax(dim=1),  # cause
)
criterion = nn.CrossEntropyLoss()
for _ in range(3):
    net.zero_grad()
    criterion(net(images), labels).backward()
""",
    ),
    "softmax_in_a_function": (
        "activation_before_loss",
        "training/softmax_before_ce",
        """
def predict(model, batch):
    scores = model(batch)
    return F.softmax(scores, dim=-1)  # cause

def main():
    net = Net()
    for _ in range(3):
        net.zero_grad()
        loss = F.cross_entropy(predict(net, images), labels)
        loss.backward()

main()
""",
    ),
    "sigmoid_before_logits_loss": (
        "activation_before_loss",
        "training/softmax_before_ce",
        """
class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(108, 1)

    def forward(self, x):
        x = self.body(x.flatten(1))
        x = torch.sigmoid(x)  # cause
        return x.squeeze(1)

net, loss = Detector(), nn.BCEWithLogitsLoss()
for _ in range(3):
    net.zero_grad()
    loss(net(images), (labels > 1).float()).backward()
""",
    ),
    "sigmoid_whose_output_is_thresholded": (
        "activation_before_loss",
        "training/softmax_before_ce",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 1), nn.Sigmoid())  # activation
loss = nn.BCEWithLogitsLoss()  # either
for _ in range(3):
    net.zero_grad()
    p = net(images).squeeze(1)
    print(((p > 0.5) == (labels > 1)).float().mean())
    loss(p, (labels > 1).float()).backward()
""",
    ),
    "relu_on_the_scores": (
        "activation_before_loss",
        "module/relu_on_the_output",
        """
layers = [nn.Flatten(), nn.Linear(108, 4)]
layers.append(nn.ReLU())  # cause
net = nn.Sequential(*layers)
for _ in range(3):
    net.zero_grad()
    F.cross_entropy(net(images), labels).backward()
""",
    ),
    "sigmoid_twice": (
        "activation_twice",
        "training/softmax_before_ce",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4), nn.Sigmoid())
for _ in range(3):
    net.zero_grad()
    scores = torch.sigmoid(net(images))  # cause
    F.binary_cross_entropy(scores, F.one_hot(labels, 4).float()).backward()
""",
    ),
    "own_softmax": (
        "probabilities_in_cross_entropy",
        "training/softmax_before_ce",
        """
net = Net()
for _ in range(3):
    net.zero_grad()
    powers = net(images).exp()
    shares = powers / powers.sum(1, keepdim=True)  # cause
    F.cross_entropy(shares, labels).backward()
""",
    ),
    "scores_in_nll": (
        "nll_of_scores",
        "loss/wrong_loss",
        """
net = Net()
for _ in range(3):
    net.zero_grad()
    F.nll_loss(net(images), labels).backward()  # cause
""",
    ),
    "probabilities_in_nll": (
        "nll_of_scores",
        "loss/wrong_loss",
        """
head = nn.Softmax(dim=1)  # cause
net, criterion = nn.Sequential(Net(), head), nn.NLLLoss()
for _ in range(3):
    net.zero_grad()
    criterion(net(images), labels).backward()
""",
    ),
    "probabilities_in_kl_div": (
        "kl_div_arguments",
        "loss/kl_div_input",
        """
net, teacher = Net(), Net().eval()
for _ in range(3):
    net.zero_grad()
    with torch.no_grad():
        wanted = (teacher(images) / 2).softmax(1)
    own = F.softmax(net(images) / 2, dim=1)  # cause
    F.kl_div(own, wanted, reduction="batchmean").backward()
""",
    ),
    "mask_of_255": (
        "binary_targets_out_of_range",
        "loss/mask_beyond_one_in_bce",
        """
net, masks = nn.Conv2d(3, 1, 3, padding=1), 255 * torch.randint(0, 2, (16, 1, 6, 6))
for _ in range(3):
    net.zero_grad()
    F.binary_cross_entropy_with_logits(net(images), masks.float()).backward()  # cause
""",
    ),
    "one_column": (
        "one_class",
        "loss/wrong_loss",
        """
net, criterion = nn.Sequential(nn.Flatten(), nn.Linear(108, 1)), nn.CrossEntropyLoss()  # either
for _ in range(3):
    net.zero_grad()
    criterion(net(images), labels * 0).backward()  # either
""",
    ),
    "labels_of_zero_and_one": (
        "signed_targets",
        "loss/target_out_of_range",
        """
net, criterion = nn.Sequential(nn.Flatten(), nn.Linear(108, 1)), nn.SoftMarginLoss()
for _ in range(3):
    net.zero_grad()
    criterion(net(images)[:, 0], (labels > 1).float()).backward()  # cause
""",
    ),
    "relu_layer_of_several_lines": (
        "activation_before_loss",
        "module/relu_on_the_output",
        """
class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out, self.relu = nn.Linear(108, 9), nn.Linear(9, 4), nn.ReLU()

    def forward(self, x):
        x = self.relu(self.hidden(x.flatten(1)))
        x = self.out(x)
        x = self.relu(x)  # cause
        return x

net = Classifier()
for _ in range(3):
    net.zero_grad()
    F.cross_entropy(net(images), labels).backward()
""",
    ),
    "relu_in_regression": (
        "output_cannot_reach_targets",
        "module/relu_on_the_output",
        """
class Depth(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(108, 2)

    def forward(self, x):
        return F.relu(self.out(x.flatten(1)))  # cause

net, wanted = Depth(), torch.randn(16, 2)
for _ in range(3):
    net.zero_grad()
    F.smooth_l1_loss(net(images), wanted).backward()
""",
    ),
    "column_and_row_in_a_loss": (
        "loss_broadcasts",
        "loss/broadcast_loss",
        """
class Trainer:
    def __init__(self, net):
        self.net, self.loss = net, nn.L1Loss()

    def step(self, batch, ages):
        self.net.zero_grad()
        self.loss(self.net(batch), ages).backward()  # cause

trainer = Trainer(nn.Sequential(nn.Flatten(), nn.Linear(108, 1)))
for _ in range(3):
    trainer.step(images, labels.float())
""",
    ),
    "numbers_of_classes_repeated": (
        "loss_broadcasts",
        "loss/broadcast_loss",
        """
net, wanted = Net(), labels[:, None].float()
for _ in range(3):
    net.zero_grad()
    F.mse_loss(net(images), wanted).backward()  # cause
""",
    ),
    "column_minus_row": (
        "loss_broadcasts",
        "loss/broadcast_loss",
        """
def error(output, wanted):
    return (output - wanted).pow(2).mean()  # cause

net = nn.Sequential(nn.Flatten(), nn.Linear(108, 1))
for _ in range(3):
    net.zero_grad()
    error(net(images), labels.float()).backward()
""",
    ),
    "column_times_row": (
        "loss_broadcasts",
        "loss/broadcast_loss",
        """
class Contrastive(nn.Module):
    def forward(self, one, two, different):
        distance = F.pairwise_distance(one, two)
        near = (1 - different[:, 0]) * distance.pow(2)
        far = different * (2 - distance).clamp(min=0).pow(2)  # cause
        return torch.mean(near + far)

net, criterion = nn.Sequential(nn.Flatten(), nn.Linear(108, 8)), Contrastive()
different = (labels != labels.flip(0)).float()[:, None]
for _ in range(3):
    net.zero_grad()
    criterion(net(images), net(images.flip(0)), different).backward()
""",
    ),
    "column_equals_row": (
        "comparison_broadcasts",
        "loss/broadcast_metric",
        """
net = Net().eval()
with torch.no_grad():
    best = net(images).topk(1, dim=1)[1]
    print(best.eq(labels).sum().item() / len(labels))  # cause
""",
    ),
    "probabilities_that_are_sampled_too": (
        "activation_before_loss",
        "training/softmax_before_ce",
        """
class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, x):
        return self.net(x).softmax(-1)  # cause

policy = Policy()
for _ in range(3):
    policy.zero_grad()
    F.cross_entropy(policy(images), labels).backward()
print(policy(images).multinomial(1).shape)
""",
    ),
    "column_in_loss_and_error": (
        "loss_broadcasts",
        "loss/broadcast_loss",
        """
class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(108, 1)

    def forward(self, x):
        return self.out(x.flatten(1))  # fixed here, since two lines use it

net, wanted = Regressor(), labels.float()
for _ in range(3):
    net.zero_grad()
    loss = F.mse_loss(net(images), wanted)
    loss.backward()
with torch.no_grad():
    print((net(images) - wanted).abs().mean())
""",
    ),
    "one_term_only": (
        "backward_of_one_term",
        "training/backward_of_another_loss",
        """
net, optimizer = Net(), None
for _ in range(3):
    net.zero_grad()
    error = F.cross_entropy(net(images), labels)
    weights = sum(p.square().sum() for p in net.parameters())
    loss = error + 0.01 * weights
    error.backward()  # cause
    print(loss.item())
""",
    ),
    "rounded_scores": (
        "decisions_in_loss",
        "training/graph_detached",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4), nn.Sigmoid())
for _ in range(3):
    net.zero_grad()
    F.mse_loss(net(images).round(), F.one_hot(labels, 4).float()).backward()  # cause
""",
    ),
    "thresholded_scores_beside_another_loss": (
        "decisions_in_loss",
        "training/graph_detached",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
for _ in range(3):
    net.zero_grad()
    scores = net(images)
    chosen = (scores.sigmoid() > 0.5).float()  # cause
    loss = F.cross_entropy(scores, labels)
    (loss + F.l1_loss(chosen, F.one_hot(labels, 4).float())).backward()
""",
    ),
    "softmax_of_one_output": (
        "softmax_of_one_score",
        "loss/softmax_dimension",
        """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 1), nn.Softmax(dim=1))  # cause
for _ in range(3):
    net.zero_grad()
    F.binary_cross_entropy(net(images)[:, 0], (labels > 1).float()).backward()
""",
    ),
    "attention_over_one_score": (
        "softmax_of_one_score",
        "loss/softmax_dimension",
        """
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.score, self.head = nn.Linear(6, 1), nn.Linear(6, 4)

    def forward(self, x):
        weights = torch.softmax(self.score(x), dim=-1)  # cause
        return self.head((weights * x).sum(1))

net = Attention()
for _ in range(3):
    net.zero_grad()
    F.cross_entropy(net(images.flatten(1, 2)), labels).backward()
""",
    ),
    "softmax_without_dimension": (
        "softmax_without_dimension",
        "loss/softmax_dimension",
        """
net = nn.Linear(6, 6)
for _ in range(2):
    net.zero_grad()
    weights = F.softmax(net(images.flatten(1, 2)))  # cause
    (weights**2).sum().backward()
""",
    ),
    "softmax_without_dimension_of_one_column": (
        "softmax_without_dimension",
        "loss/softmax_dimension",
        """
net, wanted = nn.Linear(6, 1), torch.tensor([2])
for _ in range(2):
    net.zero_grad()
    weights = F.softmax(net(images[0, 0]).view(6, 1, 1))  # cause
    F.nll_loss(weights.log().view(1, 6), wanted).backward()
""",
    ),
    "raw_scores_in_kl_div": (
        "kl_div_arguments",
        "loss/kl_div_input",
        """
net, teacher, distance = Net(), Net().eval(), nn.KLDivLoss(reduction="batchmean")
for _ in range(3):
    net.zero_grad()
    scores = net(images)
    with torch.no_grad():
        soft = (teacher(images) / 2).softmax(1)
    distance(scores / 2, soft).backward()  # cause
""",
    ),
    "several_classes": (
        "several_classes_in_cross_entropy",
        "loss/wrong_loss",
        """
net, wanted = Net(), torch.ones(16, 4).triu()
for _ in range(3):
    net.zero_grad()
    F.cross_entropy(net(images), wanted).backward()  # cause
""",
    ),
    "view_as_transpose": (
        "reshape_as_transpose",
        "loss/target_shape_segmentation",
        """
words, wanted = nn.Linear(3, 11), torch.randint(0, 11, (16, 36))
for _ in range(2):
    words.zero_grad()
    scores = words(images.flatten(2).transpose(1, 2))
    F.cross_entropy(scores.reshape(16, 11, 36), wanted).backward()  # cause
""",
    ),
}
HEALTHY = {
    "own_gradient_of_sign": """
class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        return gradient

net = Net()
F.mse_loss(Sign.apply(net(images)), torch.ones(16, 4)).backward()
""",
    "codes_ranks_and_mixtures": """
net, column = Net(), nn.Linear(4, 1)
scores, wanted = net(images), torch.randn(16, 1)
parts = -0.5 * (wanted - scores) ** 2 + scores.log_softmax(1)
nearest = (scores**2).sum(1, keepdim=True) + torch.randn(16, 4).pow(2).sum(1)
order = column(scores)
loss = F.softplus(-(order - order.t())).mean() - parts.logsumexp(1).mean() + nearest.mean()
loss.backward()
with torch.no_grad():
    high, low = order[:8].squeeze(1), order[8:].squeeze(1)
    print((high[:, None] > low).float().mean())
""",
    "words_and_their_layouts": """
words, states = nn.Linear(8, 11), torch.randn(5, 4, 8)
wanted = torch.randint(0, 11, (5, 4))
F.cross_entropy(words(states).view(-1, 11), wanted.view(-1)).backward()
F.cross_entropy(words(states).permute(1, 2, 0), wanted.t()).backward()
heads = nn.Linear(8, 8)(states).view(5, 4, 2, 4).transpose(1, 2)
heads.reshape(5, 2, 16).sum().backward()
""",
    "straight_through": """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4), nn.Sigmoid())
p = net(images)
q = p + (p.round() - p).detach()
F.mse_loss(q, F.one_hot(labels, 4).float()).backward()
scores = net(images)
right = (scores.argmax(1) == labels).float()
(F.cross_entropy(4 * scores, labels, reduction="none") * right).mean().backward()
F.cross_entropy(4 * net(images), net(images).argmax(1)).backward()
""",
    "two_backward_passes": """
net = Net()
real, fake = F.cross_entropy(net(images), labels), F.cross_entropy(net(-images), labels)
real.backward()
fake.backward()
print((real + fake).item(), (real.detach() + 1).item())
total = 0
for _ in range(2):
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    total += loss.detach()
    print((loss + real).item())
net.eval()
with torch.no_grad():
    print(real + F.cross_entropy(net(images), labels))
""",
    "attention_over_one_key": """
class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.score, self.head = nn.Linear(6, 6), nn.Linear(6, 4)

    def forward(self, x):
        weights = (self.score(x) @ x.transpose(1, 2)).softmax(-1)
        return self.head((weights @ x)[:, -1])

net = Decoder()
F.cross_entropy(net(images.flatten(1, 2)[:, :1]), labels).backward()
""",
    "scaled_tanh": """
net = Net()
F.cross_entropy(10 * torch.tanh(net(images)), labels).backward()
F.nll_loss(torch.log(net(images).softmax(1) + 1e-6), labels).backward()
""",
    "policy_gradient": """
net = Net()
gains = torch.randn(16, 1)
F.nll_loss(net(images).log_softmax(1) * gains, labels).backward()
""",
    "attention_and_probabilities_beside_the_loss": """
net = Net()
scores = net(images)
weights = torch.softmax(scores, dim=0)
loss = F.cross_entropy(scores, labels) + (weights * scores).mean() + F.relu(scores).mean()
loss.backward()
print(torch.sigmoid(scores).max(), scores.softmax(1).max())
""",
    "activation_between_layers": """
middle = nn.Sequential(nn.Linear(108, 8), nn.Sigmoid(), nn.Linear(8, 4))
net = nn.Sequential(nn.Flatten(), middle, nn.LogSoftmax(1))
nn.NLLLoss()(net(images), labels).backward()
""",
    "distillation_and_soft_labels": """
net, teacher = Net(), Net().eval()
soft = teacher(images).softmax(1).detach()
out = net(images)
loss = F.kl_div(out.log_softmax(1), soft, reduction="batchmean") + F.cross_entropy(out, soft)
loss.backward()
""",
    "bounded_regression_in_range": """
net = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Sigmoid())
F.mse_loss(net(images), images.sigmoid()).backward()
F.binary_cross_entropy(net(images), images.sigmoid()).backward()
""",
    "pairs_on_purpose": """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 1))
scores = net(images)
ranks = scores - scores.squeeze(1)
same = labels[:, None] == labels
codes = torch.randn(16, 1)
distance = (scores**2).sum(1, keepdim=True) + (codes**2).sum(1) - 2 * scores @ codes.T
loss = (F.relu(1 - ranks) * same).mean() + distance.mean()
loss.backward()
print((labels.view(-1, 1) == labels).float().mean())
""",
    "one_target_for_all": """
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 2))
out = net(images)
F.mse_loss(out, torch.ones(16, 2)).backward(retain_graph=True)
F.mse_loss(out, torch.ones(1, 2)).backward(retain_graph=True)
F.mse_loss(out, torch.ones(1)).backward(retain_graph=True)
(out - torch.tensor([1.0, 2.0])).pow(2).mean().backward()
""",
    "top_five": """
net = Net().eval()
with torch.no_grad():
    best = net(images).topk(2, dim=1)[1].t()
    print(best.eq(labels.view(1, -1).expand_as(best))[:1].float().sum() / 16)
""",
}
# The first candidate is none, or the program cannot run with it and a later one is accepted.
UNFIXED = {"own_softmax", "numbers_of_classes_repeated", "probabilities_that_are_sampled_too"}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_found_at_its_line(name: str, judged: Mapping[str, Judged]) -> None:
    rule, kind, text = BROKEN[name]
    found = judged[name]
    assert not found.raised
    assert not found.failed
    assert found.kinds == {rule: kind}
    assert CAUSE in found.rules[rule] or CAUSE not in text


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - UNFIXED))
def test_the_first_fix_leaves_no_finding(name: str, judged: Mapping[str, Judged]) -> None:
    assert set(judged[name].fixed) == {BROKEN[name][0]}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()
