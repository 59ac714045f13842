"""Rules about failures: empty folders, devices of networks, scattered labels, sizes of 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import CAUSE, Judged

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "device_ids_on_cpu": "device/dataparallel_device",
    "moved_from_meta": "device/meta_without_data",
    "index_lacks_a_dimension": "loss/scatter_one_hot",
    "resized_to_nothing": "shape/interpolate_to_zero",
    "empty_dataset": "data/empty_dataset",
}
GROUP = """
from torch import distributed
from torch.nn import parallel

if not distributed.is_initialized():  # all programs of this test share a process
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
"""
FOLDER = """
import glob
import os
import tempfile
from torch.utils.data import DataLoader, Dataset

folder = tempfile.mkdtemp()
torch.save(images[0], os.path.join(folder, "first.pt"))
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "device_ids_on_cpu.trainer": f"""{GROUP}
class Trainer:
    def __init__(self, net, rank):
        self.net = parallel.DistributedDataParallel(net, device_ids=[rank])  # cause

print(Trainer(Net(), 0).net(images).shape)
""",
    "device_ids_on_cpu.output_device": f"""{GROUP}
ddp = parallel.DistributedDataParallel(Net(), [0], 0)  # cause
""",
    "moved_from_meta.context": """
state = Net().state_dict()
with torch.device("meta"):
    empty = Net()
empty = empty.to("cpu")  # cause
empty.load_state_dict(state)
print(empty(images).shape)
""",
    "moved_from_meta.method": """
class Loading:
    def __init__(self, make):
        self.model = make(device="meta")

    def load(self, state):
        self.model.cpu()  # cause
        self.model.load_state_dict(state)
        return self.model

def head(device):
    return nn.Linear(4, 2, device=device)

print(Loading(head).load(head("cpu").state_dict())(torch.ones(1, 4)))
""",
    "index_lacks_a_dimension.smoothing": """
def smooth(target, classes, amount=0.1):
    soft = torch.full((target.size(0), classes), amount / (classes - 1))
    soft.scatter_(dim=1, index=target, value=1 - amount)  # cause
    return soft

(-smooth(labels, 4) * Net()(images).log_softmax(1)).sum(1).mean().backward()
""",
    "index_lacks_a_dimension.masks": """
masks = torch.randint(0, 4, (2, 6, 6))
planes = torch.scatter(torch.zeros(2, 4, 6, 6), 1, masks, torch.ones(2, 1, 6, 6))  # cause
""",
    "resized_to_nothing.pyramid": """
def pyramid(x, levels):
    for level in range(levels):
        side = x.shape[-1] // 2 ** level  # cause
        yield F.interpolate(x, (side, side))

print([one.shape for one in pyramid(images, 5)])
""",
    "resized_to_nothing.factor": """
print(F.interpolate(images, scale_factor=0.1).shape)  # cause
""",
    "empty_dataset.pattern": f"""{FOLDER}
class Stored(Dataset):
    def __init__(self, root):
        self.files = glob.glob(os.path.join(root, "*.npy"))  # cause

    def __len__(self):
        return len(self.files)

loader = DataLoader(Stored(folder), batch_size=2, shuffle=True)
""",
    "empty_dataset.split": f"""{FOLDER}
count = int(0.02 * len(images))
part = torch.utils.data.TensorDataset(images[:count], labels[:count])  # cause
loader = DataLoader(part, shuffle=True)
""",
}
WITHOUT_FIX = {
    "device_ids_on_cpu.output_device",  # the devices have no names
    "resized_to_nothing.factor",
    "empty_dataset.pattern",
    "empty_dataset.split",
}
# Failures that look alike, and that these rules leave to others.
OTHER = {
    "network_left_on_meta": """
with torch.device("meta"):
    net = Net()
net(images)
""",
    "tensor_of_meta": 'torch.empty(3, device="meta").to("cpu")',
    "index_too_large": "torch.zeros(16, 3).scatter_(1, labels[:, None], 1)",
    "image_without_pixels": "F.interpolate(images[:, :, 3:3], size=(4, 4))",
    "empty_sampler": """
from torch.utils.data import RandomSampler
RandomSampler([], num_samples=0)
""",
}
HEALTHY = {
    "distributed_on_the_cpu": f"""{GROUP}
net = parallel.DistributedDataParallel(Net())
F.cross_entropy(net(images), labels).backward()
""",
    "emptied_then_loaded": """
with torch.device("meta"):
    net = Net()
net.to_empty(device="cpu")
net.load_state_dict(Net().state_dict())
print(net.eval()(images).shape)
""",
    "column_of_labels": """
F.mse_loss(Net()(images), torch.zeros(16, 4).scatter(1, labels.view(-1, 1), 1.0)).backward()
""",
    "sizes_of_one_or_more": """
print([F.interpolate(images, max(1, 6 // n)).shape for n in (1, 2, 8)])
""",
    "pattern_that_matches": f"""{FOLDER}
files = glob.glob(folder + "/*.npy") or glob.glob(folder + "/*.pt")
for x in DataLoader([torch.load(file) for file in files], shuffle=True):
    print(x.shape)
""",
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_mistake_is_found_at_its_line(name: str, judged: Mapping[str, Judged]) -> None:
    rule, found = name.partition(".")[0], judged[name]
    assert found.raised
    assert not found.failed, found
    assert found.kinds == {rule: KINDS[rule]}, found
    assert CAUSE in found.rules[rule], found


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - WITHOUT_FIX))
def test_the_first_fix_makes_the_program_run(name: str, judged: Mapping[str, Judged]) -> None:
    judged[name].assert_fix(name.partition(".")[0])


@pytest.mark.parametrize("name", OTHER)
def test_other_failures_are_left_to_other_rules(name: str, judged: Mapping[str, Judged]) -> None:
    found = judged[name]
    assert found.raised, found
    assert not found.failed, found
    assert KINDS.keys().isdisjoint(found.rules), found


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()
