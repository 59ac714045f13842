"""Images of lines in three directions."""

import torch
from torch.utils.data import DataLoader, TensorDataset

MEAN, STD = 0.12, 0.33


def lines(count, side=10):
    labels = torch.randint(0, 3, (count,))
    images = torch.zeros(count, 1, side, side)
    for image, label in zip(images[:, 0], labels.tolist()):
        place = int(torch.randint(0, side, ()))
        if label == 0:
            image[place] = 1
        elif label == 1:
            image[:, place] = 1
        else:
            image.fill_diagonal_(1)
    return (images - MEAN) / STD, labels


def loaders(batch_size):
    train, valid = TensorDataset(*lines(64)), TensorDataset(*lines(32))
    return (
        DataLoader(train, batch_size=batch_size, shuffle=True, drop_last=True),
        DataLoader(valid, batch_size=batch_size),
    )
