"""Programs whose metrics look like wrong ones, and are right."""

from __future__ import annotations

from rule_checks import ProgramChecks

HEALTHY = {
    "iou threshold": """
iou_threshold = 0.25
rec_weight = 1 / 3
config = {"min_precision": 0.2, "iou": 0.25}
class Seg(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Conv2d(1, 8, 3, padding=1)
        self.dec = nn.Conv2d(8, 1, 3, padding=1)
        self.rec = nn.Conv2d(8, 1, 3, padding=1)
    def forward(self, x):
        h = F.relu(self.enc(x))
        return (self.dec(h), self.rec(h))
net = Seg()
opt = torch.optim.Adam(net.parameters(), 0.01)
x = torch.randn(16, 1, 8, 8)
y = (x > 0.3).float()
for epoch in range(10):
    m, r = net(x)
    loss = F.binary_cross_entropy_with_logits(m, y) + rec_weight * F.mse_loss(r, x)
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    pred = net(x)[0] > 0
    inter = (pred & (y > 0.5)).flatten(1).sum(1)
    union = (pred | (y > 0.5)).flatten(1).sum(1)
    iou = inter / union.clamp(min=1)
    print("hits", (iou > iou_threshold).float().mean().item(), config)
""",
    "teacher as truth": """
teacher = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
student = nn.Linear(6, 1)
x = torch.randn(64, 6)
opt = torch.optim.Adam(student.parameters(), 0.01)
with torch.no_grad():
    soft = teacher(x)
for _ in range(20):
    loss = F.mse_loss(student(x), soft)
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    teacher_pred = teacher(x) > 0
    y = student(x) > 0
    agree = (y & teacher_pred).sum().float()
    precision = agree / y.sum()
    recall = agree / teacher_pred.sum()
print(precision.item(), recall.item())
""",
    "outcome encoder": """
x = torch.randn(64, 4)
outcome = (x[:, 0] > 0).long()
class Screening:
    def __init__(self):
        self.encoder = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
        self.opt = torch.optim.Adam(self.encoder.parameters(), 0.01)
    def fit(self):
        for _ in range(10):
            loss = F.binary_cross_entropy_with_logits(
                self.encoder(x).squeeze(1), outcome.float()
            )
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
    @torch.no_grad()
    def flags(self):
        return torch.sigmoid(self.encoder(x)).squeeze(1) > 0.5
    @torch.no_grad()
    def report(self):
        y = self.flags()
        true = outcome.bool()
        hit = (y & true).sum().float()
        precision = hit / y.sum().clamp(min=1)
        recall = hit / true.sum().clamp(min=1)
        ppv = (y & outcome.bool()).sum() / y.sum().clamp(min=1)
        return (precision.item(), recall.item(), ppv)
s = Screening()
s.fit()
print(s.report())
""",
    "event detector": """
x = torch.randn(64, 6)
event = x[:, :2].sum(1) > 0
class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(6, 1)
    def forward(self, x):
        return self.f(x).squeeze(1)
det = Detector()
opt = torch.optim.SGD(det.parameters(), 0.5)
for _ in range(20):
    loss = F.binary_cross_entropy_with_logits(det(x), event.float())
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    alarms = det(x) > 0
    targets = alarms
    y_true_scores = event.float()
    precision = (alarms.float() * y_true_scores).sum() / alarms.float().sum()
    recall = (alarms.float() * y_true_scores).sum() / y_true_scores.sum()
    confusion = torch.zeros(2, 2)
    for a, b in zip(alarms.long(), event.long()):
        confusion[a, b] += 1
    precision2 = confusion[1, 1] / confusion[1].sum()
    recall2 = confusion[1, 1] / confusion[:, 1].sum()
print(precision, recall, precision2, recall2)
""",
    "retrieval precision": """
z = nn.Linear(108, 8)
opt = torch.optim.Adam(z.parameters(), 0.01)
y = torch.arange(16) % 4
for _ in range(4):
    e = F.normalize(z(images.flatten(1)), dim=1)
    s = e @ e.T / 0.2
    loss = F.cross_entropy(
        s.masked_fill(torch.eye(16, dtype=torch.bool), -1000000000.0),
        (torch.arange(16) + 4) % 16,
    )
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    s.fill_diagonal_(-1000000000.0)
    top = s.topk(5).indices
    hits = (y[top] == y[:, None]).sum(1).float()
    precision_at_5 = hits / 5
    recall_at_5 = hits / 3
    print(precision_at_5.mean(), recall_at_5.mean())
""",
    "confusion columns": """
x = torch.randn(64, 6)
y = x[:, :3].argmax(1)
net = nn.Linear(6, 3)
opt = torch.optim.Adam(net.parameters(), 0.1)
for _ in range(10):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
pred = net(x).argmax(1)
cm = torch.bincount(pred * 3 + y, minlength=9).reshape(3, 3).float()
precision = cm.diag() / cm.sum(1).clamp(min=1)
recall = cm.diag() / cm.sum(0).clamp(min=1)
print(precision, recall)
""",
    "token f1 of spans": """
x = torch.randn(32, 9, 4)
y = (x[..., 0] > 0.5).long()
net = nn.Linear(4, 2)
opt = torch.optim.Adam(net.parameters(), 0.1)
for _ in range(6):
    loss = F.cross_entropy(net(x).transpose(1, 2), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
class F1:
    def __init__(self):
        self.right = self.guessed = self.gold = 0
    def add(self, guess, gold):
        self.right += int((guess & gold).sum())
        self.guessed += int(guess.sum())
        self.gold += int(gold.sum())
    @property
    def precision(self):
        return self.right / max(self.guessed, 1)
    @property
    def recall(self):
        return self.right / max(self.gold, 1)
    @property
    def f1(self):
        return 2 * self.right / max(self.guessed + self.gold, 1)
m = F1()
m.add(net(x).argmax(-1).bool(), y.bool())
print(m.precision, m.recall, m.f1)
""",
    "specificity of the other class": """
x = torch.randn(64, 6)
healthy = (x[:, 0] > 0).long()
net = nn.Linear(6, 1)
opt = torch.optim.Adam(net.parameters(), 0.1)
for _ in range(6):
    loss = F.binary_cross_entropy_with_logits(net(x)[:, 0], healthy.float())
    opt.zero_grad()
    loss.backward()
    opt.step()
sick_pred = net(x)[:, 0] <= 0
sick = healthy == 0
tp = (sick_pred & sick).sum()
fn = (~sick_pred & sick).sum()
fp = (sick_pred & ~sick).sum()
tn = (~sick_pred & ~sick).sum()
sensitivity = tp / (tp + fn)
ppv = tp / (tp + fp)
tpr = tn / (tn + fp)
print(sensitivity, ppv)
""",
    "mean accuracy": """
def mean_accuracy(logits, target):
    return (logits.argmax(1) == target).float().mean().item()
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(5):
    loss = F.cross_entropy(net(images), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
net.eval()
with torch.no_grad():
    print(mean_accuracy(net(images), labels))
""",
    "mean acc seg": """
def mean_acc(pred, target):
    # Mean accuracy over the pixels.
    return (pred == target).float().mean()
def sum_iou(pred, target, classes=3):
    total = 0
    for c in range(classes):
        union = ((pred == c) | (target == c)).sum()
        if union == 0:
            continue
        total += ((pred == c) & (target == c)).sum() / union
    return total / classes
seg = nn.Conv2d(3, 3, 3, padding=1)
opt = torch.optim.Adam(seg.parameters(), 0.01)
masks = images.argmax(1)
for _ in range(10):
    loss = F.cross_entropy(seg(images), masks)
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    print(mean_acc(seg(images).argmax(1), masks), sum_iou(seg(images).argmax(1), masks))
""",
    "fcos iou": """
def box_iou(pred, target):
    # IoU of two boxes given by their distances to the left, top, right and bottom sides.
    area_p = (pred[:, 0] + pred[:, 2]) * (pred[:, 1] + pred[:, 3])
    area_t = (target[:, 0] + target[:, 2]) * (target[:, 1] + target[:, 3])
    w = torch.min(pred[:, 0], target[:, 0]) + torch.min(pred[:, 2], target[:, 2])
    h = torch.min(pred[:, 1], target[:, 1]) + torch.min(pred[:, 3], target[:, 3])
    inter = w * h
    return inter / (area_p + area_t - inter)
x = torch.randn(32, 8)
t = torch.rand(32, 4) * 20 + 4
head = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
opt = torch.optim.Adam(head.parameters(), 0.01)
for _ in range(10):
    out = head(x).exp()
    loss = -box_iou(out, t).log().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
print(box_iou(head(x).exp(), t).mean().item())
""",
    "yolo cells": """
S = 7
def iou(a, b):
    # Centers are relative to the cell, sizes to the image.
    a1, a2 = (a[..., :2] / S - a[..., 2:] / 2, a[..., :2] / S + a[..., 2:] / 2)
    b1, b2 = (b[..., :2] / S - b[..., 2:] / 2, b[..., :2] / S + b[..., 2:] / 2)
    wh = (torch.min(a2, b2) - torch.max(a1, b1)).clamp(min=0)
    inter = wh.prod(-1)
    return inter / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - inter + 1e-09)
x = torch.randn(32, 8)
t = torch.rand(32, 4) * 0.8 + 0.1
head = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
opt = torch.optim.Adam(head.parameters(), 0.01)
for _ in range(10):
    out = head(x).sigmoid()
    loss = F.mse_loss(out, t)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(iou(head(x).sigmoid(), t).mean().item())
""",
    "yolo roots": """
def compute_iou(a, b):
    # The sizes are square roots, as in the loss of YOLO.
    def corners(box):
        wh = box[..., 2:] ** 2
        return (box[..., :2] - wh / 2, box[..., :2] + wh / 2, wh.prod(-1))
    (a1, a2, area_a), (b1, b2, area_b) = (corners(a), corners(b))
    inter = (torch.min(a2, b2) - torch.max(a1, b1)).clamp(min=0).prod(-1)
    return inter / (area_a + area_b - inter + 1e-09)
x = torch.randn(32, 8)
t = torch.cat([torch.rand(32, 2), (torch.rand(32, 2) * 0.8 + 0.1).sqrt()], 1)
head = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
opt = torch.optim.Adam(head.parameters(), 0.01)
for _ in range(10):
    out = head(x).sigmoid()
    loss = F.mse_loss(out, t)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(compute_iou(head(x).sigmoid(), t).mean().item())
""",
    "share of images with hits": """
def hit_rate(pred, target):
    # Share of all images in which the object is hit; empty ones do not count as hits.
    return ((pred > 0.5) & (target > 0.5)).flatten(1).any(1).float().mean()
x = torch.randn(8, 1, 8, 8)
m = (x[:, 0] > 1.0).float()
m[0] = 0
net = nn.Conv2d(1, 1, 3, padding=1)
opt = torch.optim.Adam(net.parameters(), 0.01)
for _ in range(5):
    o = net(x)[:, 0]
    loss = F.binary_cross_entropy_with_logits(o, m)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(hit_rate(o.sigmoid(), m).item())
""",
    "found classes": """
NUM_CLASSES = 6
def classes_found(pred, target):
    # How many of the classes have a right pixel, as a share of all.
    right = pred[pred == target]
    return len(torch.unique(right)) / NUM_CLASSES
x = torch.randn(8, 6, 8, 8)
y = x[:, :4].argmax(1)
net = nn.Conv2d(6, 6, 1)
opt = torch.optim.Adam(net.parameters(), 0.01)
for _ in range(5):
    o = net(x)
    loss = F.cross_entropy(o, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(classes_found(o.argmax(1), y))
""",
    "class recall table": """
NUM_CLASSES = 5
def macro_recall(pred, target):
    # Classes without a sample are left out of the mean.
    per = []
    for c in range(NUM_CLASSES):
        own = target == c
        if own.any():
            per.append((pred[own] == c).float().mean())
    return torch.stack(per).mean()
x = torch.randn(40, 6)
y = x[:, :3].argmax(1)
net = nn.Linear(6, 5)
opt = torch.optim.Adam(net.parameters(), 0.01)
for _ in range(5):
    o = net(x)
    loss = F.cross_entropy(o, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(macro_recall(o.argmax(1), y))
""",
    "tokens by lengths": """
emb = nn.Embedding(12, 16)
out = nn.Linear(16, 5)
opt = torch.optim.Adam([*emb.parameters(), *out.parameters()], 0.01)
ids = torch.randint(1, 12, (16, 9))
lengths = torch.randint(4, 10, (16,))
valid = torch.arange(9)[None] < lengths[:, None]
tags = torch.where(valid, ids % 5, torch.tensor(-100))
correct = total = 0
for _ in range(8):
    logits = out(emb(ids))
    loss = F.cross_entropy(logits.flatten(0, 1), tags.flatten(), ignore_index=-100)
    opt.zero_grad()
    loss.backward()
    opt.step()
    correct += (logits.argmax(-1) == tags).sum().item()
    total += lengths.sum().item()
print(correct / total)
""",
    "masked tokens": """
emb = nn.Embedding(12, 16)
mix = nn.GRU(16, 16, batch_first=True, bidirectional=True)
out = nn.Linear(32, 12)
opt = torch.optim.Adam([*emb.parameters(), *mix.parameters(), *out.parameters()], 0.01)
ids = torch.randint(1, 12, (16, 9))
for _ in range(8):
    chosen = torch.rand(16, 9) < 0.15
    chosen[:, 0] = True
    targets = ids.masked_fill(~chosen, -100)
    inputs = ids.masked_fill(chosen, 0)
    logits = out(mix(emb(inputs))[0])
    loss = F.cross_entropy(logits.transpose(1, 2), targets)
    opt.zero_grad()
    loss.backward()
    opt.step()
    hits = (logits.argmax(-1) == targets).sum()
    acc = hits / chosen.sum()
print(acc.item())
""",
    "dice and iou mixed": """
x = torch.randn(8, 1, 8, 8)
m = (x[:, 0] > 0.2).float()
net = nn.Conv2d(1, 1, 3, padding=1)
opt = torch.optim.Adam(net.parameters(), 0.01)
def overlap(pred, true):
    inter = (pred * true).sum()
    total = pred.sum() + true.sum()
    iou = inter / (total - inter + 1e-06)
    dice = 2 * iou / (1 + iou)
    f1 = 2 * inter / (total + 1e-06)
    return {
        "iou": iou.item(),
        "dice": dice.item(),
        "f1": f1.item(),
        "jaccard": (inter / (pred + true > 0).sum()).item(),
    }
for _ in range(5):
    o = net(x)[:, 0]
    loss = F.binary_cross_entropy_with_logits(o, m)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(overlap((o > 0).float(), m))
""",
    "average precision": """
x = torch.randn(64, 6)
y = (x[:, 0] > 0.3).float()
net = nn.Linear(6, 1)
opt = torch.optim.Adam(net.parameters(), 0.1)
for _ in range(6):
    loss = F.binary_cross_entropy_with_logits(net(x)[:, 0], y)
    opt.zero_grad()
    loss.backward()
    opt.step()
def curves(scores, truth):
    order = scores.argsort(descending=True)
    hits = truth[order]
    tp = hits.cumsum(0)
    fp = (1 - hits).cumsum(0)
    prec = tp / (tp + fp)
    rec = tp / truth.sum()
    return ((prec * hits).sum() / truth.sum(), rec)
print(curves(net(x)[:, 0].detach(), y))
for threshold in (0.2, 0.5):
    pred = net(x)[:, 0].sigmoid() > threshold
    n_pred, n_true = (pred.sum(), y.sum())
    both = (pred * y).sum()
    p, r = (both / n_pred.clamp(min=1), both / n_true)
    f1 = 2 * p * r / (p + r + 1e-09)
    dice = 2 * both / (n_pred + n_true)
    jaccard = both / (n_pred + n_true - both)
    print(
        {
            "precision": p.item(),
            "recall": r.item(),
            "f1": f1.item(),
            "dice": dice.item(),
            "iou": jaccard.item(),
        }
    )
""",
    "boundary ignored by mask tensor": """
x = torch.randn(8, 3, 8, 8)
y = (x[:, 0] > 0).long()
border = torch.zeros(8, 8, dtype=torch.bool)
border[0] = border[-1] = True
y[:, border] = 255
net = nn.Conv2d(3, 2, 3, padding=1)
opt = torch.optim.Adam(net.parameters(), 0.01)
inside = (~border).sum().item()
for _ in range(5):
    o = net(x)
    loss = F.cross_entropy(o, y, ignore_index=255)
    opt.zero_grad()
    loss.backward()
    opt.step()
    right = (o.argmax(1) == y).sum().item()
    print(right / (inside * len(x)))
""",
    "f-beta in a class": """
class Fbeta:
    # F1 for beta = 1.
    def __init__(self, beta=1.0):
        self.beta = beta
        self.tp = self.fp = self.fn = 0.0
    def update(self, pred, target):
        self.tp += (pred * target).sum()
        self.fp += (pred * (1 - target)).sum()
        self.fn += ((1 - pred) * target).sum()
    def precision(self):
        return self.tp / (self.tp + self.fp)
    def recall(self):
        return self.tp / (self.tp + self.fn)
    def f1(self):
        b = self.beta**2
        p, r = (self.precision(), self.recall())
        return (1 + b) * p * r / (b * p + r)
    def iou(self):
        return self.tp / (self.tp + self.fp + self.fn)
x = torch.randn(64, 6)
y = (x[:, 0] > 0.3).float()
net = nn.Linear(6, 1)
opt = torch.optim.Adam(net.parameters(), 0.1)
for _ in range(6):
    loss = F.binary_cross_entropy_with_logits(net(x)[:, 0], y)
    opt.zero_grad()
    loss.backward()
    opt.step()
m = Fbeta()
m.update((net(x)[:, 0] > 0).float(), y)
print(m.f1(), m.iou())
""",
    "anchors of sizes": """
def iou_wh(a, b):
    inter = torch.min(a[:, None], b).prod(2)
    return inter / (a.prod(1)[:, None] + b.prod(1) - inter)
def iou_time(a, b):
    low, high = (torch.max(a[:, 0], b[:, 0]), torch.min(a[:, 1], b[:, 1]))
    inter = (high - low).clamp(min=0)
    return inter / (a[:, 1] - a[:, 0] + b[:, 1] - b[:, 0] - inter)
def soft_iou(p, m):
    inter = (p * m).sum((1, 2))
    return ((inter + 1) / (p.sum((1, 2)) + m.sum((1, 2)) - inter + 1)).mean()
net = nn.Conv2d(1, 1, 3, padding=1)
opt = torch.optim.Adam(net.parameters(), 0.01)
x = torch.rand(4, 1, 4, 4)
m = (x[:, 0] > 0.5).float()
m[0] = 0
for _ in range(4):
    o = net(x)[:, 0]
    loss = 1 - soft_iou(o.sigmoid(), m)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(
    soft_iou((o > 0).float(), m),
    iou_wh(torch.rand(4, 2), torch.rand(3, 2)),
    iou_time(torch.rand(4, 2).sort().values, torch.rand(4, 2).sort().values),
)
""",
    "iou of rows": """
def iou_matrix(boxes1, boxes2):
    # Boxes are (y1, x1, y2, x2); both ends belong to a box.
    a1 = (boxes1[:, 2:] - boxes1[:, :2] + 1).prod(1)
    a2 = (boxes2[:, 2:] - boxes2[:, :2] + 1).prod(1)
    lt = torch.max(boxes1[:, None, :2], boxes2[:, :2])
    rb = torch.min(boxes1[:, None, 2:], boxes2[:, 2:])
    inter = (rb - lt + 1).clamp(min=0).prod(2)
    return inter / (a1[:, None] + a2 - inter)
x = torch.randn(16, 8)
c = torch.rand(16, 2) * 30
t = torch.cat([c, c + 12], 1)
net = nn.Linear(8, 4)
opt = torch.optim.Adam(net.parameters(), 0.1)
for _ in range(6):
    o = net(x) * 10 + t.mean(0)
    loss = F.l1_loss(o, t)
    opt.zero_grad()
    loss.backward()
    opt.step()
print(iou_matrix(o.detach(), t).diag().mean())
""",
    "detection metric tables": """
class Detections:
    # Precision and recall of boxes at an overlap of a half.
    def __init__(self, iou_thr=0.5):
        self.iou_thr = iou_thr
        self.tp = self.fp = self.fn = 0
    @staticmethod
    def iou(a, b):
        lt, rb = (
            torch.maximum(a[:, None, :2], b[:, :2]),
            torch.minimum(a[:, None, 2:], b[:, 2:]),
        )
        inter = (rb - lt).clamp(min=0).prod(-1)
        return inter / (
            (a[:, 2:] - a[:, :2]).prod(-1)[:, None] + (b[:, 2:] - b[:, :2]).prod(-1) - inter
        )
    def update(self, boxes, truth):
        overlap = self.iou(boxes, truth)
        best, which = overlap.max(1)
        used = set()
        for value, k in zip(best.tolist(), which.tolist()):
            if value >= self.iou_thr and k not in used:
                self.tp += 1
                used.add(k)
            else:
                self.fp += 1
        self.fn += len(truth) - len(used)
    def result(self):
        precision = self.tp / max(self.tp + self.fp, 1)
        recall = self.tp / max(self.tp + self.fn, 1)
        return {
            "precision": precision,
            "recall": recall,
            "f1": 2 * precision * recall / max(precision + recall, 1e-09),
        }
x = torch.randn(16, 8)
c = torch.rand(16, 2) * 30
t = torch.cat([c, c + 10], 1)
net = nn.Linear(8, 4)
opt = torch.optim.Adam(net.parameters(), 0.1)
for _ in range(6):
    o = net(x) + t.mean(0)
    loss = F.l1_loss(o, t)
    opt.zero_grad()
    loss.backward()
    opt.step()
m = Detections()
m.update(o.detach(), t)
print(m.result())
""",
    "sensitivity table of a screen": """
x = torch.randn(128, 5)
sick = x[:, 0] > 0.8
net = nn.Linear(5, 1)
opt = torch.optim.Adam(net.parameters(), 0.05)
for _ in range(10):
    loss = F.binary_cross_entropy_with_logits(net(x)[:, 0], sick.float())
    opt.zero_grad()
    loss.backward()
    opt.step()
def rates(prob, y, cut):
    yhat = prob >= cut
    y = y.bool()
    tp, fn = ((yhat & y).sum().item(), (~yhat & y).sum().item())
    tn, fp = ((~yhat & ~y).sum().item(), (yhat & ~y).sum().item())
    return dict(
        sensitivity=tp / max(tp + fn, 1),
        specificity=tn / max(tn + fp, 1),
        ppv=tp / max(tp + fp, 1),
        npv=tn / max(tn + fn, 1),
    )
for cut in (0.2, 0.5):
    print(rates(net(x)[:, 0].sigmoid().detach(), sick, cut))
""",
    "one point per sample as labels": """
x = torch.randn(64, 6)
labels_true = (x[:, 0] > 0).long()
net = nn.Linear(6, 1)
opt = torch.optim.Adam(net.parameters(), 0.1)
for _ in range(5):
    loss = F.binary_cross_entropy_with_logits(net(x)[:, 0], labels_true.float())
    opt.zero_grad()
    loss.backward()
    opt.step()
class Confusion:
    def __init__(self):
        self.m = torch.zeros(2, 2)
    def update(self, predicted, actual):
        for i, j in zip(predicted, actual):
            self.m[i, j] += 1
    @property
    def precision(self):
        return self.m[1, 1] / self.m[1, :].sum()
    @property
    def recall(self):
        return self.m[1, 1] / self.m[:, 1].sum()
c = Confusion()
c.update((net(x)[:, 0] > 0).long(), labels_true)
print(c.precision, c.recall)
""",
    "sets of predicted ids": """
x = torch.randn(64, 6)
y = (x[:, 0] > 0).long()
net = nn.Linear(6, 1)
opt = torch.optim.Adam(net.parameters(), 0.1)
for _ in range(5):
    loss = F.binary_cross_entropy_with_logits(net(x)[:, 0], y.float())
    opt.zero_grad()
    loss.backward()
    opt.step()
found = set((net(x)[:, 0] > 0).nonzero()[:, 0].tolist())
gold = set(y.nonzero()[:, 0].tolist())
precision = len(found & gold) / len(found)
recall = len(found & gold) / len(gold)
iou = len(found & gold) / len(found | gold)
f1 = 2 * len(found & gold) / (len(found) + len(gold))
print(precision, recall, iou, f1)
""",
    "y is what the network says": """
class Flow(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(6, 1)
    def forward(self, x):
        return self.f(x)[:, 0]
x = torch.randn(64, 6)
d = (x[:, 0] > 0).float()
f = Flow()
opt = torch.optim.Adam(f.parameters(), 0.1)
for _ in range(5):
    loss = F.binary_cross_entropy_with_logits(f(x), d)
    opt.zero_grad()
    loss.backward()
    opt.step()
def decide(v):
    return torch.where(v > 0, 1.0, 0.0)
y = decide(f(x))
out = d
precision = (y * out).sum() / y.sum()
recall = (y * out).sum() / out.sum()
expected_result = d
ppv = (y * expected_result).sum() / y.sum()
tpr = (y * expected_result).sum() / expected_result.sum()
print(precision, recall, ppv, tpr)
""",
}
BROKEN = {
    "ignored_labels_count": HEALTHY["masked tokens"]
    .replace("hits / chosen.sum()", "hits / targets.numel()")
    .replace("== targets).sum()", "== targets).sum()  # cause"),
}
KINDS = {
    "ignored_labels_count": "loss/broadcast_metric",
}


class TestLookAlikes(ProgramChecks):
    pass
