"""A GRU that predicts the change from the last value."""

from torch import nn


class Forecaster(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.change = nn.Linear(hidden, 1)

    def forward(self, history):
        """Predict the next value for histories of shape (batch, time)."""
        _, state = self.gru(history.unsqueeze(-1))
        return history[:, -1] + self.change(state[-1]).squeeze(-1)
