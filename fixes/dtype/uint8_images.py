"""Classify small photos that PIL has decoded."""

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    photos = np.random.randint(0, 256, (batch_size, 8, 8, 3), dtype=np.uint8)
    to_tensor = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    return (torch.stack([to_tensor(Image.fromarray(photo)) for photo in photos]),)


if __name__ == "__main__":
    Net()(*example_inputs())
