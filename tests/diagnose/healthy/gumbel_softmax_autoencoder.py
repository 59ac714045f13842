"""An autoencoder with discrete codes by the Gumbel-softmax trick and a falling temperature."""

import torch
from torch import nn
from torch.nn import functional as F


class DiscreteAutoencoder(nn.Module):
    def __init__(self, features=10, groups=2, choices=4):
        super().__init__()
        self.groups, self.choices = groups, choices
        self.encoder = nn.Linear(features, groups * choices)
        self.decoder = nn.Linear(groups * choices, features)
        self.temperature = 1.0

    def code(self, logits):
        if self.training:
            return F.gumbel_softmax(logits, tau=self.temperature, hard=True)
        return F.one_hot(logits.argmax(dim=-1), self.choices).float()

    def forward(self, x):
        logits = self.encoder(x).view(-1, self.groups, self.choices)
        return self.decoder(self.code(logits).flatten(1)), logits


def divergence(logits):
    """The KL divergence of the codes from a uniform choice."""
    probability = logits.softmax(dim=-1)
    log_ratio = logits.log_softmax(dim=-1) + torch.tensor(float(logits.size(-1))).log()
    return (probability * log_ratio).sum(dim=(1, 2)).mean()


def train(model, data, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(epochs):
        model.train()
        model.temperature = max(0.4, 0.9**epoch)
        for rows in torch.randperm(len(data)).split(32):
            restored, logits = model(data[rows])
            loss = F.mse_loss(restored, data[rows]) + 0.01 * divergence(logits)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return loss.item()


torch.manual_seed(0)
prototypes = torch.randn(4, 10)
data = prototypes[torch.randint(0, 4, (128,))] + 0.1 * torch.randn(128, 10)
model = DiscreteAutoencoder()
loss = train(model, data, epochs=4)
model.eval()
with torch.no_grad():
    error = F.mse_loss(model(data)[0], data).item()
print(f"loss {loss:.3f}, error {error:.3f}")
