"""Save model, optimizer, scheduler and epoch; resume in new objects; the result is the same."""

import tempfile
from pathlib import Path

import torch
from torch import nn


def create():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    return model, optimizer, scheduler


def run_epoch(model, optimizer, scheduler, epoch):
    generator = torch.Generator().manual_seed(epoch)
    model.train()
    for _ in range(3):
        x = torch.randn(16, 5, generator=generator)
        y = x.square().sum(dim=1, keepdim=True)
        loss = nn.functional.smooth_l1_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
    return loss.item()


def save(path, epoch, model, optimizer, scheduler):
    torch.save(
        {
            "epoch": epoch,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
        },
        path,
    )


def resume(path):
    checkpoint = torch.load(path, weights_only=True)
    model, optimizer, scheduler = create()
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    return checkpoint["epoch"] + 1, model, optimizer, scheduler


def main(epochs=4):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        objects = create()
        for epoch in range(epochs):
            straight = run_epoch(*objects, epoch)
            if epoch == 1:
                save(path, epoch, *objects)
        start, *objects = resume(path)
        for epoch in range(start, epochs):
            resumed = run_epoch(*objects, epoch)
    print(f"straight {straight:.5f}, resumed {resumed:.5f}")


if __name__ == "__main__":
    main()
