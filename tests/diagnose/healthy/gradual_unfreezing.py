"""Fine-tuning in two phases: the head first, then the last block too, at a lower rate."""

import torch
import torchvision
from torch import nn


def pretrained_features():
    """A small torchvision network; a real script would load weights here."""
    torch.manual_seed(11)
    network = torchvision.models.shufflenet_v2_x0_5(weights=None)
    network.fc = nn.Linear(network.fc.in_features, 2)
    return network


def freeze_all_but_head(model):
    model.requires_grad_(False)
    model.fc.requires_grad_(True)


def set_modes(model, frozen):
    """Train mode, except for frozen blocks, whose running statistics must stay."""
    model.train()
    for block in frozen:
        block.eval()


def phase(model, optimizer, frozen, steps):
    for _ in range(steps):
        set_modes(model, frozen)
        images, labels = batch(8)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def batch(count):
    labels = torch.randint(0, 2, (count,))
    images = torch.randn(count, 3, 32, 32)
    images[labels == 1] += 1
    return images, labels


def main():
    model = pretrained_features()
    torch.manual_seed(0)
    blocks = [model.conv1, model.stage2, model.stage3, model.stage4, model.conv5]
    freeze_all_but_head(model)
    optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.01, momentum=0.9)
    first = phase(model, optimizer, frozen=blocks, steps=2)
    model.conv5.requires_grad_(True)
    optimizer.add_param_group({"params": model.conv5.parameters(), "lr": 0.001})
    second = phase(model, optimizer, frozen=blocks[:-1], steps=2)
    print(f"head {first:.3f}, head and last block {second:.3f}")


if __name__ == "__main__":
    main()
