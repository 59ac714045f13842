"""Stochastic weight averaging with torch.optim.swa_utils."""

import torch
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset


def make_loaders(batch_size=10):
    x = torch.randn(60, 5)
    y = (x[:, 0] * x[:, 1] > 0).long()
    train, test = TensorDataset(x[:40], y[:40]), TensorDataset(x[40:], y[40:])
    return DataLoader(train, batch_size, shuffle=True), DataLoader(test, batch_size)


def train_epoch(model, loader, optimizer, criterion):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    correct = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return correct / len(loader.dataset)


torch.manual_seed(0)
train_loader, test_loader = make_loaders()
model = nn.Sequential(nn.Linear(5, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 2))
averaged = AveragedModel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
swa_schedule = SWALR(optimizer, swa_lr=0.05, anneal_epochs=1)
criterion = nn.CrossEntropyLoss()

SWA_START = 3
for epoch in range(6):
    train_epoch(model, train_loader, optimizer, criterion)
    if epoch >= SWA_START:
        averaged.update_parameters(model)
        swa_schedule.step()
    else:
        schedule.step()
update_bn(train_loader, averaged)
print(f"accuracy {accuracy(averaged, test_loader):.2f}")
