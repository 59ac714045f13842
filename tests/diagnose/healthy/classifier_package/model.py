"""A residual network of a few layers."""

from torch import nn


def conv_norm(inputs, outputs, kernel=3, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.first = conv_norm(inputs, outputs, stride=stride)
        self.second = conv_norm(outputs, outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = conv_norm(inputs, outputs, kernel=1, stride=stride)
        self.relu = nn.ReLU()

    def forward(self, x):
        out = self.second(self.relu(self.first(x)))
        return self.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, classes, width=8):
        super().__init__()
        self.stem = nn.Sequential(conv_norm(1, width), nn.ReLU())
        self.stages = nn.Sequential(Residual(width, width), Residual(width, 2 * width, stride=2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, x):
        x = self.pool(self.stages(self.stem(x)))
        return self.fc(x.flatten(1))
