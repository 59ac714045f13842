"""Gradient accumulation: an optimizer step after every fourth micro-batch."""

import argparse
import logging

import torch
from torch import nn

log = logging.getLogger("train")


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--micro-batch", type=int, default=4)
    parser.add_argument("--accumulate", type=int, default=4)
    parser.add_argument("--updates", type=int, default=6)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def micro_batches(size):
    while True:
        x = torch.randn(size, 1, 6, 6)
        yield x, (x.mean(dim=(1, 2, 3)) > 0).long()


def build():
    # Group normalization: its statistics do not depend on the size of the micro-batch.
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.GroupNorm(4, 8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 2)
    )


def main(argv=None):
    options = parse_arguments(argv)
    logging.basicConfig(level=logging.WARNING)
    torch.manual_seed(options.seed)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    data = micro_batches(options.micro_batch)
    model.train()
    for update in range(options.updates):
        optimizer.zero_grad()
        total = 0.0
        for _ in range(options.accumulate):
            x, y = next(data)
            loss = criterion(model(x), y) / options.accumulate
            loss.backward()
            total += loss.item()
        optimizer.step()
        log.info("update %d: loss %.4f", update, total)
    print(f"loss {total:.4f}")


if __name__ == "__main__":
    main()
