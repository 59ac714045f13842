"""Tiny programs whose network is sound and whose data, checkpoint or metric breaks one law."""

from __future__ import annotations

from broken_convnets.vocabulary import Law
from kit import TRAINED, patched
from sick_runs import EPOCH, GUARD, SCORE, SCORING

STATE = patched(
    ("    return loss\n", "    return {name: x.clone() for name, x in net.state_dict().items()}\n"),
    source=EPOCH,
)
CHECKPOINTS = patched(
    (
        GUARD,
        (
            "\n\ndef save(net, path):\n    torch.save(net.state_dict(), path)\n"
            "\n\ndef load(net, path):\n    net.load_state_dict(torch.load(path))\n" + GUARD
        ),
    )
)
RESUMED = patched(
    (
        "\n\ndef run(",
        (
            "\n\ndef train(net, x, labels, epochs, checkpoint=None):\n"
            "    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)\n"
            "    first = 0\n"
            "    if checkpoint:\n"
            "        net.load_state_dict(checkpoint['net'])\n"
            "        optimizer.load_state_dict(checkpoint['optimizer'])\n"
            "        first = checkpoint['epoch']\n"
            "    for _ in range(first, epochs):\n"
            "        optimizer.zero_grad()\n"
            "        nn.functional.cross_entropy(net(x), labels).backward()\n"
            "        optimizer.step()\n"
            "    return {'net': net.state_dict(), 'optimizer': optimizer.state_dict(),\n"
            "            'epoch': epochs}\n"
            "\n\ndef run("
        ),
    ),
    source=TRAINED,
)
DATASET = (
    "class Images(torch.utils.data.Dataset):\n"
    "    def __init__(self, noise=0.0):\n"
    "        self.noise, self.images = noise, torch.arange(12.0).view(-1, 1, 1, 1)\n"
    "\n"
    "    def __len__(self):\n"
    "        return len(self.images)\n"
    "\n"
    "    def __getitem__(self, index):\n"
    "        return self.images[index] + self.noise * torch.rand(1, 2, 2)\n"
    "\n\n"
)
WORKERS = patched(
    (
        GUARD,
        (
            f"\n\n{DATASET}def example_loader():\n"
            "    return torch.utils.data.DataLoader(Images(0.1), 4, shuffle=True, num_workers=2)\n"
            "\n\nif __name__"
        ),
    )
)
SPLIT = patched(
    (
        GUARD,
        (
            f"\n\n{DATASET}def example_split():\n"
            "    order = torch.randperm(12).tolist()\n"
            "    subset = torch.utils.data.Subset\n"
            "    return subset(Images(0.1), order[:8]), subset(Images(), order[8:])\n"
            "\n\nif __name__"
        ),
    )
)
PAIRS = patched(
    (
        GUARD,
        (
            "\n\ndef pair(index):\n"
            "    mask = torch.zeros(1, 6, 6, dtype=torch.int64)\n"
            "    mask[:, index, :3] = index + 1\n"
            "    image = (mask > 0).repeat(3, 1, 1) * 0.9 + 0.05 * torch.rand(3, 6, 6)\n"
            "    flip = torch.rand(()) < 0.5\n"
            "    return (image.flip(2), mask.flip(2)) if flip else (image, mask)\n"
            "\n\ndef example_pairs():\n"
            "    return [pair(index) for index in range(6)]\n"
            "\n\nif __name__"
        ),
    )
)
# Files of images and of masks in two folders, listed in the order of the file system.
FILES = patched(
    (
        "    return [pair(index) for index in range(6)]\n",
        (
            "    for index in range(6):\n"
            "        for kind, value in zip(('image', 'mask'), pair(index)):\n"
            "            folder = pathlib.Path(kind)\n"
            "            folder.mkdir(exist_ok=True)\n"
            "            torch.save(value, folder / f'{index}.pt')\n"
            "    images = sorted(pathlib.Path('image').iterdir())\n"
            "    masks = sorted(pathlib.Path('mask').iterdir())\n"
            "    return [(torch.load(a), torch.load(b)) for a, b in zip(images, masks)]\n"
        ),
    ),
    ("import torch\n", "import pathlib\n\nimport torch\n"),
    source=PAIRS,
)
BINARY = patched(
    ("nn.Linear(4 * 2 * 2, 5)", "nn.Linear(4 * 2 * 2, 1)"),
    ("torch.randint(5, (batch_size,))", "torch.randint(2, (batch_size,)).float()"),
    ("cross_entropy(net(x), labels)", "binary_cross_entropy_with_logits(net(x)[:, 0], labels)"),
    ("outputs.argmax(1) == labels", "(outputs[:, 0] > 0) == labels"),
    source=SCORING,
)
# With an auxiliary head, whose output is returned in training only.
HEADS = patched(
    (
        "return self.fc(torch.flatten(x, 1))",
        (
            "x = torch.flatten(x, 1)\n"
            "        return (self.fc(x), self.side(x)) if self.training else self.fc(x)"
        ),
    ),
    ("        self.fc =", "        self.side = nn.Linear(4 * 2 * 2, 5)\n        self.fc ="),
    (
        "        loss = nn.functional.cross_entropy(net(x), labels)\n",
        ("        loss = sum(nn.functional.cross_entropy(one, labels) for one in net(x))\n"),
    ),
    ("\n\ndef run(", f"\n\n{SCORE}\n\ndef run("),
    source=EPOCH,
)
HEALTHY_PIPELINES = {
    "returned state": STATE,
    "checkpoint": CHECKPOINTS,
    "resumed training": RESUMED,
    "workers": WORKERS,
    "split": SPLIT,
    "pairs": PAIRS,
    "pairs of files": FILES,
    "binary score": BINARY,
    "score of a network with two heads": HEADS,
}

SICK_PIPELINES: dict[str, tuple[set[Law], str]] = {
    "a best state that is a reference": (
        {Law.RETURNED_STATE_IS_A_COPY},
        patched(("x.clone()", "x"), source=STATE),
    ),
    "a checkpoint of one layer": (
        {Law.CHECKPOINT_RESTORES_OUTPUT},
        patched(
            ("net.state_dict(), path", "net.fc.state_dict(), path"),
            ("net.load_state_dict", "net.fc.load_state_dict"),
            source=CHECKPOINTS,
        ),
    ),
    "a new optimizer on resume": (
        {Law.RESUMES_WHERE_IT_STOPPED},
        patched(
            ("        optimizer.load_state_dict(checkpoint['optimizer'])\n", ""), source=RESUMED
        ),
    ),
    "workers that share a seed": (
        {Law.WORKERS_DIFFER},
        patched(
            ("num_workers=2", "num_workers=2, worker_init_fn=lambda _: torch.manual_seed(0)"),
            source=WORKERS,
        ),
    ),
    "a sample in both parts": (
        {Law.SPLITS_DISJOINT},
        patched(("order[8:]", "order[7:]"), source=SPLIT),
    ),
    "an augmented validation set": (
        {Law.VALIDATION_REPEATS},
        patched(("Images(), order", "Images(0.1), order"), source=SPLIT),
    ),
    "a flip of the image alone": (
        {Law.MASKS_MATCH_IMAGES},
        patched(("mask.flip(2)", "mask"), source=PAIRS),
    ),
    "a mask divided by 255": (
        {Law.MASKS_MATCH_IMAGES},
        patched(("(image, mask)\n", "(image, mask / 255)\n"), source=PAIRS),
    ),
    "folders that are not sorted": (
        {Law.MASKS_MATCH_IMAGES},
        patched(("sorted(pathlib.Path('mask')", "list(pathlib.Path('mask')"), source=FILES),
    ),
    "the largest score of a network with two heads": (
        {Law.PERFECT_SCORES_ONE},
        patched(("outputs.argmax(1)", "outputs.amax(1)"), source=HEADS),
    ),
    "argmax of one output": (
        {Law.PERFECT_SCORES_ONE},
        patched(("outputs[:, 0] > 0", "outputs.argmax(1)"), source=BINARY),
    ),
}
