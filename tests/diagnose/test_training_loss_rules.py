"""Rules about losses that train towards something else than what their documentation says."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "blank_among_labels": "loss/target_out_of_range",
    "divergence_averaged_over_classes": "loss/kl_div_reduction",
    "nearest_is_the_anchor": "loss/triplet_mining",
    "accumulated_without_division": "training/accumulation_not_divided",
}
TEACHING = """
teacher, student = Net().eval(), Net()
optimizer = torch.optim.SGD(student.parameters(), lr=0.01)

def batches():
    for start in range(0, 16, 4):
        with torch.no_grad():
            scores = teacher(images[start : start + 4])
        yield images[start : start + 4], scores
"""
EMBEDDING = """
persons = torch.arange(16) // 4

def embed(net, x):
    return F.normalize(net(x), dim=1)
"""
LINES = """
net, signs = nn.LSTM(6, 5, batch_first=True), "abcd"
words = ["abca", "dcb", "bd", "acd"] * 4

def scores(pictures):
    return net(pictures.mean(1))[0].transpose(0, 1).log_softmax(-1)

def padded(rows):
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)
"""
PARTS = """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "blank_among_labels.concatenated": f"""{LINES}
numbers = {{sign: number for number, sign in enumerate(signs)}}  # cause
rows = [torch.tensor([numbers[sign] for sign in word]) for word in words]
lengths, steps = torch.tensor([len(row) for row in rows]), torch.full((16,), 6)
nn.CTCLoss(zero_infinity=True)(scores(images), torch.cat(rows), steps, lengths).backward()
""",
    "blank_among_labels.one_of_two_numberings": f"""{LINES}
numbers = {{sign: number for number, sign in enumerate(signs)}}  # cause
pages = {{word: number for number, word in enumerate(words, start=1)}}
rows = [torch.tensor([numbers[sign] for sign in word]) for word in pages]
lengths, steps = torch.tensor([len(row) for row in rows]), torch.full((len(rows),), 6)
x = images[: len(rows)]
nn.CTCLoss(zero_infinity=True)(scores(x), torch.cat(rows), steps, lengths).backward()
""",
    "divergence_averaged_over_classes.layer": f"""{TEACHING}
criterion = nn.KLDivLoss()  # cause
for x, scores in batches():
    optimizer.zero_grad()
    criterion(student(x).log_softmax(-1), scores.softmax(-1)).backward()
    optimizer.step()
""",
    "divergence_averaged_over_classes.weighted": f"""{TEACHING}
class Distiller:
    def __init__(self, t=3.0, alpha=0.7):
        self.t, self.alpha = t, alpha

    def __call__(self, ours, theirs, y):
        p, q = F.log_softmax(ours / self.t, 1), F.softmax(theirs / self.t, 1)
        soft = F.kl_div(p, q, reduction="mean") * self.t * self.t  # cause
        return self.alpha * soft + (1 - self.alpha) * F.cross_entropy(ours, y)

loss = Distiller()
for step, (x, scores) in enumerate(batches()):
    optimizer.zero_grad()
    loss(student(x), scores, labels[4 * step : 4 * step + 4]).backward()
    optimizer.step()
""",
    "nearest_is_the_anchor.function": f"""{EMBEDDING}
def batch_hard(z, ids, margin=0.3):
    d = torch.cdist(z, z)
    positive = ids.unsqueeze(0) == ids.unsqueeze(1)
    hardest_positive, _ = torch.where(positive, d, torch.zeros_like(d)).max(dim=1)
    hardest_negative, _ = torch.min(d, dim=1)  # cause
    return F.softplus(hardest_positive - hardest_negative + margin).mean()

batch_hard(embed(Net(), images), persons).backward()
""",
    "nearest_is_the_anchor.squares": f"""{EMBEDDING}
class Spread(nn.Module):
    def forward(self, z):
        squares = (z.unsqueeze(0) - z.unsqueeze(1)).pow(2).sum(-1)
        closest = squares.min(1).values  # cause
        return torch.exp(-closest).mean()

Spread()(embed(Net(), images)).backward()
""",
    "accumulated_without_division.step": f"""{PARTS}
for epoch in range(2):
    optimizer.zero_grad()
    shown = torch.zeros(())
    for x, y in zip(images.split(4), labels.split(4)):
        loss = F.cross_entropy(net(x), y)
        loss.backward()  # cause
        shown += loss.detach() / 4
    optimizer.step()
    print(shown.item())
""",
    "accumulated_without_division.class": f"""{PARTS}
class Accumulating:
    def __init__(self, every):
        self.every, self.criterion, self.mean = every, nn.CrossEntropyLoss(), 0

    def __call__(self, number, x, y):
        value = self.criterion(net(x), y)
        value.backward()  # cause
        self.mean = self.mean + value.detach().div(self.every)
        if (number + 1) % self.every == 0:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

step = Accumulating(2)
for number, (x, y) in enumerate(zip(images.split(4), labels.split(4))):
    step(number, x, y)
""",
}
HEALTHY = {
    "padding_is_the_blank": f"""{LINES}
numbers = {{sign: number for number, sign in enumerate(signs, 1)}}
rows = [torch.tensor([numbers[sign] for sign in word]) for word in words]
lengths, steps = torch.tensor([len(row) for row in rows]), torch.full((16,), 6)
F.ctc_loss(scores(images), padded(rows), steps, lengths, zero_infinity=True).backward()
""",
    "blank_is_the_last_class": f"""{LINES}
numbers = {{sign: number for number, sign in enumerate(signs)}}
rows = [torch.tensor([numbers[sign] for sign in word]) for word in words]
lengths, steps = [len(row) for row in rows], (6,) * 16
criterion = nn.CTCLoss(blank=len(signs), zero_infinity=True)
criterion(scores(images), padded(rows), steps, lengths).backward()
""",
    "nearest_other_class": f"""{EMBEDDING}
z = embed(Net(), images)
d = torch.cdist(z, z)
same = persons[:, None] == persons
far = d.masked_fill(~same, 0).amax(1)
near = d.masked_fill(same, 1e9).amin(1)
F.relu(far - near + 0.3).mean().backward()
""",
    "nearest_of_two_sets": f"""{EMBEDDING}
net = Net()
d = torch.cdist(embed(net, images[:8]), embed(net, images[8:]))
(d.min(0).values.mean() + d.min(1).values.mean()).backward()
""",
    "second_nearest": f"""{EMBEDDING}
z = embed(Net(), images)
d = torch.cdist(z, z)
d.topk(2, dim=1, largest=False).values[:, 1].neg().exp().mean().backward()
""",
    "nearest_that_is_subtracted": f"""{EMBEDDING}
z = embed(Net(), images)
d = torch.cdist(z, z)
d = d - d.detach().min(dim=1, keepdim=True).values
F.cross_entropy(-d + 1e-3, persons).backward()
""",
    "nearest_without_diagonal": f"""{EMBEDDING}
z = embed(Net(), images)
d = torch.cdist(z, z) + 10 * torch.eye(16)
(-d.min(dim=1)[0]).exp().mean().backward()
""",
    "accumulated_mean": f"""{PARTS}
for epoch in range(2):
    optimizer.zero_grad()
    for x, y in zip(images.split(4), labels.split(4)):
        loss = F.cross_entropy(net(x), y) / 4
        loss.backward()
        print(loss.detach() * 4)
    optimizer.step()
""",
    "mean_of_an_epoch": f"""{PARTS}
for epoch in range(2):
    shown = torch.zeros(())
    for x, y in zip(images.split(4), labels.split(4)):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        shown += loss.detach() / 4
    print(shown)
""",
    "sum_over_all_samples": f"""{PARTS}
optimizer.zero_grad()
shown = torch.zeros(())
for x, y in zip(images.split(4), labels.split(4)):
    loss = F.cross_entropy(net(x), y, reduction="sum")
    loss.backward()
    shown += loss.detach() / 4
optimizer.step()
""",
    "two_losses": f"""{PARTS}
for x, y in zip(images.split(4), labels.split(4)):
    optimizer.zero_grad()
    for weight in (0.5, 0.1):
        loss = weight * F.cross_entropy(net(x), y)
        loss.backward()
        print(loss.detach() / 2)
    optimizer.step()
""",
    "gradients_of_each_batch": """
net = Net()
for x, y in zip(images.split(4), labels.split(4)):
    net.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    print(loss.detach() / 4, net.head.weight.grad.norm())
""",
    "divergence_of_a_batch": f"""{TEACHING}
for x, scores in batches():
    optimizer.zero_grad()
    loss = F.kl_div(student(x).log_softmax(1), scores.softmax(1), reduction="batchmean")
    loss.backward()
    optimizer.step()
""",
    "divergence_times_classes": f"""{TEACHING}
for x, scores in batches():
    optimizer.zero_grad()
    loss = F.kl_div(student(x).log_softmax(1), scores.softmax(1), reduction="mean")
    (0.5 * loss * scores.shape[1]).backward()
    optimizer.step()
""",
    "divergence_of_each_class": f"""{TEACHING}
for x, scores in batches():
    optimizer.zero_grad()
    each = nn.KLDivLoss(reduction="none")(student(x).log_softmax(1), scores.softmax(1))
    each.sum(1).mean().backward()
    optimizer.step()
""",
    "divergence_that_is_printed": f"""{TEACHING}
student.eval()
with torch.no_grad():
    for x, scores in batches():
        print(F.kl_div(student(x).log_softmax(1), scores.softmax(1)).item())
""",
    "divergence_of_pixels": """
heat = nn.Conv2d(3, 1, 3)(images).flatten(1).log_softmax(1)
goal = torch.rand(16, 16)
F.kl_div(heat, goal / goal.sum(1, keepdim=True), reduction="sum").div(16).backward()
""",
}


FIXED = [name for name in BROKEN if not name.endswith(".squares")]


class TestPrograms(FixedProgramChecks):
    pass
