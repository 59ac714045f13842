"""Seeds of the workers of a DataLoader that are the same in each epoch."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
FIT = """
import random
import time
from functools import partial
import numpy as np
from torch.utils.data import DataLoader, Dataset

{before}

class Noisy(Dataset):
    def __init__(self, rng=None):
        self.rng, self.epoch = rng, 0

    def __len__(self):
        return len(labels)

    def __getitem__(self, i):
        {read}

def fit(loader, epochs=2):
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for epoch in range(epochs):
        {change}
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

data = Noisy(np.random.default_rng(0))
fit(DataLoader(data, 4, shuffle=True, num_workers=2, worker_init_fn={init}), {epochs})
"""
NUMPY = "return images[i] + np.random.randn(6, 6).astype('float32') * 0.1, labels[i]"
PYTHON = "return images[i] * random.uniform(0.8, 1.2), labels[i]"
OWN = "return images[i] + float(self.rng.normal()), labels[i]"
FLIP = """x = images[i]
        if random.random() < 0.5:
            x = x.flip(2)
        return x, labels[i]"""


def fit(before: str, **parts: str) -> str:
    usual = {"read": NUMPY, "init": "init", "epochs": "2", "change": "pass"}
    return FIT.format(before=before, **(usual | parts))


BROKEN = {
    "epochs_draw_alike": fit(f"def init(worker_id):\n    np.random.seed(worker_id){MARK}\n"),
    "epochs_draw_alike.constant_plus_id": fit(
        "SEED = 42\n\ndef set_seed(seed):\n    random.seed(seed)\n    np.random.seed(seed)\n\n"
        f"def init(worker_id):\n    set_seed(SEED + worker_id){MARK}\n",
        read=FLIP,
    ),
    "epochs_draw_alike.partial": fit(
        f"def init(worker, seed):\n    worker_seed = seed * 100 + worker\n"
        f"    random.seed(worker_seed){MARK}\n",
        init="partial(init, seed=3)",
        read=PYTHON,
    ),
    "epochs_draw_alike.object": fit(
        "class Seeding:\n    def __init__(self, seed):\n        self.seed = seed\n\n"
        f"    def __call__(self, worker):\n        torch.manual_seed(self.seed + worker){MARK}\n",
        init="Seeding(7)",
        read="return images[i] + 0.1 * torch.randn(3, 6, 6), labels[i]",
    ),
    "epochs_draw_alike.own_generator": fit(
        "def init(worker):\n    info = torch.utils.data.get_worker_info()\n"
        f"    info.dataset.rng = np.random.default_rng(worker){MARK}\n",
        read=OWN,
    ),
    # torch seeds NumPy in workers with an array: the first number of its state is constant.
    "epochs_draw_alike.state": fit(
        f"def init(worker):\n    np.random.seed(np.random.get_state()[1][0] + worker){MARK}\n"
    ),
    "epochs_draw_alike.lambda": fit(
        f"init = lambda worker: random.seed(worker){MARK}\n", read=PYTHON
    ),
}
KINDS = {"epochs_draw_alike": "data"}
ID_ONLY = "def init(worker):\n    np.random.seed(worker)\n"
HEALTHY = {
    "seed_of_torch": fit("def init(worker):\n    np.random.seed(torch.initial_seed() % 2**32)\n"),
    "seed_of_torch.info": fit(
        "def init(worker):\n    info = torch.utils.data.get_worker_info()\n"
        "    random.seed(info.seed)\n",
        read=PYTHON,
    ),
    "seed_from_numpy": fit(
        "def init(worker):\n    np.random.seed(np.random.randint(0, 2**31) + worker)\n"
    ),
    "seed_from_the_clock": fit(
        "def init(worker):\n    np.random.seed((int(time.time()) + worker) % 2**32)\n"
    ),
    "seed_with_the_epoch": fit(
        "def init(worker):\n    np.random.seed(1000 * data.epoch + worker)\n",
        change="data.epoch = epoch",
    ),
    "seed_with_a_counter": fit(
        "count = [0]\n\ndef init(worker):\n    np.random.seed(1000 * count[0] + worker)\n",
        change="count[0] += 1",
    ),
    "no_seed": fit("def init(worker):\n    torch.set_num_threads(1)\n"),
    "another_generator": fit(ID_ONLY, read=PYTHON),
    "nothing_drawn": fit(ID_ONLY, read="return images[i], labels[i]"),
    "one_epoch": fit(ID_ONLY, epochs="1"),
    "persistent": fit(ID_ONLY).replace("num_workers=2", "num_workers=2, persistent_workers=True"),
    "no_workers": fit(ID_ONLY).replace("num_workers=2", "num_workers=0"),
    "noise_of_each_sample": fit(
        ID_ONLY,
        read="rng = np.random.default_rng(i)\n"
        "        return images[i] + float(rng.normal()), labels[i]",
    ),
    "only_evaluated": fit(ID_ONLY).replace(
        "            optimizer.zero_grad()\n            F.cross_entropy(net(x), y).backward()\n"
        "            optimizer.step()\n",
        "            with torch.no_grad():\n                F.cross_entropy(net.eval()(x), y)\n",
    )
    + "F.cross_entropy(Net()(images), labels).backward()\n",
    "new_function_for_each_epoch": fit(
        "def seeding(no):\n    def init(worker):\n        np.random.seed(97 * no + worker)\n"
        "    return init\n",
        init="seeding(0)",
        epochs="1",
    )
    + "for i in range(1, 3):\n"
    "    fit(DataLoader(data, 4, num_workers=2, worker_init_fn=seeding(i)), 1)\n",
}


class TestPrograms(ProgramChecks):
    pass
