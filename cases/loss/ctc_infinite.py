"""Read the ten characters of a label with a CTC loss."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, kernel_size=3, padding=1)
        self.classify = nn.Linear(16 * 2, 20)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = F.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = self.classify(x.flatten(1, 2).transpose(1, 2))
        return F.log_softmax(x, dim=2)


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 1, 8, 32),)


def example_targets(batch_size=4):
    return (torch.arange(1, 11).repeat(batch_size, 1),)


def run(net, images, texts):
    scores = net(images).transpose(0, 1)
    widths = torch.full((len(images),), len(scores))
    lengths = torch.full((len(texts),), texts.shape[1])
    loss = F.ctc_loss(scores, texts, widths, lengths)
    loss.backward()
    return loss


if __name__ == "__main__":
    run(Net(), *example_inputs(), *example_targets())
