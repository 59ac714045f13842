"""A small framework in the style of Lightning: the module defines the steps, a loop calls them."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LightModule(nn.Module):
    def training_step(self, batch, index):
        raise NotImplementedError

    def validation_step(self, batch, index):
        raise NotImplementedError

    def configure_optimizers(self):
        raise NotImplementedError

    def on_epoch_end(self):
        """Do nothing by default."""


class Fit:
    def __init__(self, max_epochs, accumulate=1, clip=None):
        self.max_epochs = max_epochs
        self.accumulate = accumulate
        self.clip = clip

    def __call__(self, module, train, valid):
        optimizers, schedules = module.configure_optimizers()
        for _ in range(self.max_epochs):
            module.train()
            for index, batch in enumerate(train):
                loss = module.training_step(batch, index) / self.accumulate
                loss.backward()
                if (index + 1) % self.accumulate == 0 or index + 1 == len(train):
                    self._step(module, optimizers)
            for schedule in schedules:
                schedule.step()
            module.eval()
            with torch.no_grad():
                for index, batch in enumerate(valid):
                    module.validation_step(batch, index)
            module.on_epoch_end()

    def _step(self, module, optimizers):
        if self.clip is not None:
            nn.utils.clip_grad_norm_(module.parameters(), self.clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


class Classifier(LightModule):
    def __init__(self, features=6, classes=3, lr=0.02):
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(
            nn.Linear(features, 24), nn.LayerNorm(24), nn.SiLU(), nn.Linear(24, classes)
        )
        self.hits = []
        self.history = []

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch, index):
        x, y = batch
        self.hits.append((self(x).argmax(-1) == y).float())

    def on_epoch_end(self):
        self.history.append(torch.cat(self.hits).mean().item())
        self.hits.clear()

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)]


torch.manual_seed(0)
x = torch.randn(90, 6)
y = x[:, :3].argmax(1)
train = DataLoader(TensorDataset(x[:70], y[:70]), batch_size=8, shuffle=True)
valid = DataLoader(TensorDataset(x[70:], y[70:]), batch_size=20)
module = Classifier()
Fit(max_epochs=3, accumulate=2, clip=1.0)(module, train, valid)
print([round(accuracy, 2) for accuracy in module.history])
