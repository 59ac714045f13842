"""Fine-tune a head on a frozen backbone whose batch normalization stays in eval mode."""

import torch
import torchvision
from torch import nn


class Transfer(nn.Module):
    def __init__(self, classes):
        super().__init__()
        network = torchvision.models.resnet18(weights=None)
        network.load_state_dict(pretrained_state())
        features = network.fc.in_features
        network.fc = nn.Identity()
        self.backbone = network.requires_grad_(False)
        self.head = nn.Linear(features, classes)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)


def pretrained_state():
    """Stand in for downloaded weights."""
    return torchvision.models.resnet18(weights=None).state_dict()


def batch(count):
    labels = torch.randint(0, 2, (count,))
    images = torch.rand(count, 3, 32, 32)
    images[labels == 1, 0] += 1
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    return (images / 2 - mean) / std, labels


def main():
    torch.manual_seed(0)
    model = Transfer(classes=2)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=1e-2)
    model.train()
    for _ in range(4):
        images, labels = batch(8)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        images, labels = batch(8)
        accuracy = (model(images).argmax(1) == labels).float().mean()
    print(f"loss {loss.item():.3f}, accuracy {accuracy:.2f}")


if __name__ == "__main__":
    main()
