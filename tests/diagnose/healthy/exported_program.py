"""Train briefly, export with a dynamic batch size, save, and compare the loaded program."""

import io

import torch
from torch import nn
from torch.export import Dim, export, load, save


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 16, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        x = nn.functional.max_pool2d(x, 2)
        return self.fc(x.flatten(1))


def train(model, steps=5):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(steps):
        labels = torch.randint(0, 3, (12,))
        images = torch.rand(12, 1, 8, 8) + labels.view(-1, 1, 1, 1)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def round_trip(model, example):
    """Export, save and load the model; return what runs it."""
    program = export(model, (example,), dynamic_shapes={"x": {0: Dim("batch", min=1, max=64)}})
    buffer = io.BytesIO()
    save(program, buffer)
    buffer.seek(0)
    return load(buffer).module()


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Net()
    loss = train(model)
    model.eval()
    restored = round_trip(model, torch.rand(4, 1, 8, 8))
    with torch.no_grad():
        for size in (1, 5):
            images = torch.rand(size, 1, 8, 8)
            torch.testing.assert_close(restored(images), model(images))
    print(f"loss {loss:.3f}; the exported program agrees")
