"""The loops of training and evaluation."""

import torch
from torch import nn


class Engine:
    def __init__(self, model, lr):
        self.model = model
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)

    def train(self, loader):
        self.model.train()
        total, seen = 0.0, 0
        for images, labels in loader:
            loss = self.criterion(self.model(images), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(labels)
            seen += len(labels)
        return total / seen

    @torch.no_grad()
    def evaluate(self, loader):
        self.model.eval()
        correct = seen = 0
        for images, labels in loader:
            correct += (self.model(images).argmax(dim=1) == labels).sum().item()
            seen += len(labels)
        return correct / seen
