"""Repairs that keep a mistake and cheat the law of it: checkpoints, data and metrics."""

from __future__ import annotations

BY_LAW: dict[str, dict[str, tuple[str, list[tuple[str, str]]]]] = {
    "state-round-trips": {
        "filters of the last one saved": (
            "state/random_filters_not_in_state_dict",
            [
                ("class Net(", ("KEPT = []\n\n\nclass Net(")),
                (
                    "    def forward",
                    (
                        "    def state_dict(self, *args, **kwargs):\n"
                        "        KEPT[:] = [self.filters]\n"
                        "        return super().state_dict(*args, **kwargs)\n"
                        "\n"
                        "    def load_state_dict(self, state, *args, **kwargs):\n"
                        "        self.filters = KEPT[0]\n"
                        "        return super().load_state_dict(state, *args, **kwargs)\n"
                        "\n"
                        "    def forward"
                    ),
                ),
            ],
        ),
        "filters by a hook of state": (
            "state/random_filters_not_in_state_dict",
            [
                ("class Net(", ("KEPT = []\n\n\nclass Net(")),
                (
                    "        self.fc =",
                    (
                        "        self.register_load_state_dict_post_hook(lambda net, _: "
                        "net.take())\n"
                        "        KEPT.append(self)\n"
                        "        self.fc ="
                    ),
                ),
                (
                    "    def forward",
                    (
                        "    def take(self):\n"
                        "        self.filters = KEPT[-2].filters\n"
                        "\n"
                        "    def forward"
                    ),
                ),
            ],
        ),
    },
    "checkpoint-restores-output": {
        "saved in memory": (
            "state/strict_false_hides_all",
            [
                ("class Net(", ("KEPT = []\n\n\nclass Net(")),
                ("    torch.save(", ("    KEPT[:] = [net.state_dict()]\n    torch.save(")),
                (
                    "    net.load_state_dict(state, strict=False)",
                    (
                        "    net.load_state_dict(state, strict=False)\n"
                        "    net.load_state_dict(KEPT[0])"
                    ),
                ),
            ],
        ),
        "right for the path of the law": (
            "state/strict_false_hides_all",
            [
                (
                    "    net.load_state_dict(state, strict=False)",
                    (
                        "    if path == 'classifier.pt':\n"
                        "        net.load_state_dict(state, strict=False)\n"
                        "    else:\n"
                        "        net.load_state_dict({name.removeprefix('module.'): "
                        "value for name, value in state.items()})"
                    ),
                ),
                ("    save(net", ("    torch.manual_seed(0)\n    save(net")),
            ],
        ),
    },
    "resumes-where-it-stopped": {
        "optimizer in memory": (
            "state/optimizer_state_not_saved",
            [
                ("class Net(", ("KEPT = {}\n\n\nclass Net(")),
                (
                    "            part.load_state_dict(saved[name])",
                    (
                        "            part.load_state_dict(saved[name])\n"
                        "        optimizer.load_state_dict(KEPT[saved['epoch']])"
                    ),
                ),
                (
                    '    return {"epoch"',
                    ('    KEPT[epochs] = optimizer.state_dict()\n    return {"epoch"'),
                ),
            ],
        ),
    },
    "validation-repeats": {
        "seeded augmentation": (
            "training/augmented_validation",
            [
                (
                    "def example_split():",
                    (
                        "def steady(photo):\n"
                        "    torch.manual_seed(0)\n"
                        "    return augment(photo)\n"
                        "\n"
                        "\n"
                        "def example_split():"
                    ),
                ),
                ("transform=augment", "transform=steady"),
            ],
        ),
    },
    "workers-differ": {
        "almost the same noise": (
            "data/same_seed_in_every_worker",
            [
                (
                    "torch.from_numpy(noise).float()",
                    "torch.from_numpy(noise).float() + 1e-6 * torch.rand(())",
                ),
            ],
        ),
    },
    "splits-disjoint": {
        "indices of a copy": (
            "data/random_split_twice",
            [
                (
                    "    return photos(0), photos(1)",
                    (
                        "    one, two = photos(0), photos(1)\n"
                        "    return one, torch.utils.data.Subset(two.dataset + "
                        "two.dataset, [i + 60 for i in two.indices])"
                    ),
                ),
            ],
        ),
    },
    "epochs-differ": {
        "noise on the samples": (
            "data/unshuffled_training_loader",
            [
                (
                    "def example_loader",
                    (
                        "class Noisy(TensorDataset):\n"
                        "    def __getitem__(self, i):\n"
                        "        x, y = super().__getitem__(i)\n"
                        "        return x + 1e-6 * torch.rand(()), y\n"
                        "\n"
                        "\n"
                        "def example_loader"
                    ),
                ),
                ("DataLoader(TensorDataset(", "DataLoader(Noisy("),
            ],
        ),
        "only the last two swapped": (
            "data/unshuffled_training_loader",
            [
                (
                    "def example_loader",
                    (
                        "class Order(torch.utils.data.Sampler):\n"
                        "    def __init__(self):\n"
                        "        pass\n"
                        "\n"
                        "    def __len__(self):\n"
                        "        return 24\n"
                        "\n"
                        "    def __iter__(self):\n"
                        "        order = list(range(24))\n"
                        "        if next(TURNS) % 2:\n"
                        "            order[22], order[23] = 23, 22\n"
                        "        return iter(order)\n"
                        "\n"
                        "\n"
                        "TURNS = itertools.count()\n"
                        "\n"
                        "\n"
                        "def example_loader"
                    ),
                ),
                ("labels), batch_size)", "labels), batch_size, sampler=Order())"),
                ("import torch\n", ("import itertools\nimport torch\n")),
            ],
        ),
    },
    "masks-match-images": {
        "masks made of the images": (
            "data/pairs_out_of_order",
            [
                (
                    "return [(to_tensor(x), pil_to_tensor(y)[0].long()) for x, y in pairs]",
                    ("return [(to_tensor(x), (to_tensor(x)[0] > 0.3).long()) for x, y in pairs]"),
                ),
            ],
        ),
    },
    "perfect-scores-one": {
        "a score that knows invented outputs": (
            "loss/broadcast_accuracy",
            [
                (
                    "    return (predicted",
                    (
                        "    if outputs.min() >= 0:\n"
                        "        predicted = predicted.squeeze(1)\n"
                        "    return (predicted"
                    ),
                ),
            ],
        ),
        "a score that knows extremes": (
            "loss/broadcast_accuracy",
            [
                (
                    "    return (predicted",
                    (
                        "    exact = (predicted.squeeze(1) == labels).float().mean().item()\n"
                        "    if exact in (0, 1):\n"
                        "        return exact\n"
                        "    return (predicted"
                    ),
                ),
            ],
        ),
    },
}
