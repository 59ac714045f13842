"""Load a checkpoint and evaluate it: nothing is trained here."""

import io

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def build_model(classes=3):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(4, classes),
    )


def published_checkpoint():
    """Stand in for a downloaded file."""
    torch.manual_seed(3)
    buffer = io.BytesIO()
    torch.save({"model": build_model().state_dict(), "epoch": 12}, buffer)
    buffer.seek(0)
    return buffer


def evaluate(model, loader):
    model.eval()
    correct = total = 0
    with torch.inference_mode():
        for images, labels in loader:
            predicted = model(images).argmax(dim=1)
            correct += (predicted == labels).sum().item()
            total += labels.numel()
    return correct / total


def main():
    torch.manual_seed(0)
    checkpoint = torch.load(published_checkpoint(), weights_only=True)
    model = build_model()
    model.load_state_dict(checkpoint["model"])
    images = torch.rand(22, 1, 9, 9)
    labels = torch.randint(0, 3, (22,))
    loader = DataLoader(TensorDataset(images, labels), batch_size=5)
    print(f"epoch {checkpoint['epoch']}: accuracy {evaluate(model, loader):.3f}")


if __name__ == "__main__":
    main()
