"""Predictions in the order of a shuffling loader, and labels in that of its dataset."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
CLASSES = """
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(images, labels), batch_size=4, shuffle={shuffle}){mark}
net = Net().eval()
found, order, seen = [], [], []
with torch.no_grad():
    for number, (x, y) in enumerate(loader):
        found.append({one})
        seen.append(y)
predictions = {join}
print(({compare}).float().mean().item())
"""
TRAINED = """
from torch.utils.data import DataLoader, Dataset, Subset

class Pictures(Dataset):
    def __init__(self):
        self.images, self.targets = images, (labels > 1).long().tolist()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return {{"image": self.images[index], "target": self.targets[index]}}

held = Subset(Pictures(), range(4, 16))
loader = DataLoader(held, 3, True){mark}
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 1))

def predict(net, loader):
    net.eval()
    with torch.inference_mode():
        return torch.cat([net(batch["image"]) for batch in loader]).sigmoid().squeeze(1) > 0.5

answers = torch.tensor([held.dataset.targets[i] for i in held.indices])
print(torch.eq(predict(net, loader), answers).sum().item())
"""


def classes(**parts: str) -> str:
    usual = {"shuffle": "True", "mark": "", "one": "net(x).argmax(1)", "join": "torch.cat(found)"}
    return CLASSES.format(**(usual | {"compare": "predictions == labels"} | parts))


BROKEN = {
    "predictions_are_shuffled": classes(mark=MARK),
    "predictions_are_shuffled.of_a_subset": TRAINED.format(mark=MARK),
    "predictions_are_shuffled.scores": classes(
        mark=MARK, one="net(x)", compare="predictions.softmax(1).max(dim=1).indices != labels"
    ),
}
KINDS = {"predictions_are_shuffled": "data/pairs_out_of_order"}
FIXED = list(BROKEN)
HEALTHY = {
    "in_order": classes(shuffle="False"),
    "labels_of_the_batches": classes(compare="predictions == torch.cat(seen)"),
    "labels_of_the_batches_as_numbers": classes(
        compare="predictions == torch.tensor([int(y) for one in seen for y in one])"
    ),
    "in_order_again": """
from torch.utils.data import DataLoader, TensorDataset

order = torch.randperm(16)
loader = DataLoader(TensorDataset(images, labels, torch.arange(16)), batch_size=4, shuffle=True)
net = Net().eval()
with torch.no_grad():
    outputs = [(net(x).argmax(1), index) for x, _, index in loader]
predictions = torch.cat([one for one, _ in outputs])
positions = torch.cat([index for _, index in outputs])
print((predictions == labels[positions]).float().mean().item())
print((predictions[positions.argsort()] == labels).float().mean().item())
""",
    "data_in_order": classes(join="net(images).argmax(1)"),
    "stored_at_indices": """
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(images, labels, torch.arange(16)), batch_size=4, shuffle=True)
net = Net().eval()
predictions = torch.zeros(16, dtype=torch.long)
with torch.no_grad():
    for x, _, index in loader:
        predictions[index] = net(x).argmax(1)
print((predictions == labels).float().mean().item())
""",
}


class TestPrograms(FixedProgramChecks):
    pass
