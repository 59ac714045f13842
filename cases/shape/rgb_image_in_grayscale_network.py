"""Read handwritten digits with a network for grey scans, from photos."""

import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3)
        self.conv2 = nn.Conv2d(8, 16, kernel_size=3)
        self.fc = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        return self.fc(torch.flatten(x, 1))


transform = v2.Compose(
    [
        v2.Resize((8, 8)),
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
    ]
)


def take_photo():
    return Image.effect_noise((32, 32), 64).convert("RGB")


def example_inputs(batch_size=4):
    photos = [transform(take_photo()) for _ in range(batch_size)]
    return (torch.stack(photos),)


if __name__ == "__main__":
    Net()(*example_inputs())
