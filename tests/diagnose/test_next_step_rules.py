"""Networks that forecast the next step of a sequence from all of its steps."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
FORECAST = """
from torch.utils.data import DataLoader, TensorDataset

series = torch.sin(torch.arange(120) * 0.3) + 0.1 * torch.randn(120)
rows = series[torch.arange(100)[:, None] + torch.arange(13)[None]]

class Forecaster(nn.Module):
    def __init__(self, width=6, both={both}):
        super().__init__()
        {layer}
        self.head = nn.Linear(width * {times}, 1)

    def forward(self, x):
        {read}
        return self.head(out)

net = Forecaster()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
{data}
for epoch in range(2):
    for x, y in DataLoader(TensorDataset(x_all, y_all), 25, shuffle=True):
        optimizer.zero_grad()
        F.mse_loss({loss}).backward()
        optimizer.step()
"""
WINDOWS = "x_all, y_all = rows[:, :-1, None], rows[:, 1:, None]"
READ = "out, _ = self.rnn(x)"


def forecast(  # noqa: PLR0913  (parts of a program)
    layer: str,
    data: str = WINDOWS,
    read: str = READ,
    *,
    both: bool = False,
    times: int = 2,
    loss: str = "net(x), y",
) -> str:
    return FORECAST.format(layer=layer, data=data, read=read, both=both, times=times, loss=loss)


BROKEN = {
    "next_element_seen": forecast(
        f"self.rnn = nn.LSTM(1, width, batch_first=True, bidirectional=True){MARK}"
    ),
    "next_element_seen.variable": forecast(
        f"directions = 2{MARK}\n"
        "        self.rnn = nn.GRU(1, width, batch_first=True, bidirectional=directions == 2)"
    ),
    "next_element_seen.one_of_several_features": forecast(
        f"self.rnn = nn.GRU(2, width, batch_first=True, bidirectional=True){MARK}",
        "x_all = torch.stack([rows[:, :-1].cos(), rows[:, :-1]], -1)\ny_all = rows[:, 1:]",
        loss="net(x).squeeze(-1), y",
    ),
    "next_element_seen.convolution": forecast(
        "self.near = nn.Conv1d(1, width, 3, padding=1)",
        read=f"out = torch.relu(self.near(x.mT)).mT{MARK}",
        times=1,
    ),
    "next_element_seen.steps_first": forecast(
        f"self.rnn = nn.LSTM(1, width, bidirectional=True){MARK}",
        read="out, _ = self.rnn(x.transpose(0, 1))\n        out = out.transpose(0, 1)",
    ),
}
HEALTHY = {
    "one_direction": forecast("self.rnn = nn.LSTM(1, width, batch_first=True)", times=1),
    "tagging": forecast(
        "self.rnn = nn.LSTM(1, width, batch_first=True, bidirectional=True)",
        "x_all, y_all = rows[:, :-1, None], (rows[:, :-1, None] > 0).float()",
    ),
    "smoothing": forecast(
        "self.rnn = nn.LSTM(1, width, batch_first=True, bidirectional=True)",
        "clean = rows[:, :-1, None]\nx_all, y_all = clean + 0.1 * torch.randn_like(clean), clean",
    ),
    "step_before": forecast(
        "self.rnn = nn.LSTM(1, width, batch_first=True, bidirectional=True)",
        "x_all, y_all = rows[:, 1:, None], rows[:, :-1, None]",
    ),
    "one_step_after_the_window": forecast(
        "self.rnn = nn.LSTM(1, width, batch_first=True, bidirectional=True)",
        "x_all, y_all = rows[:, :-1, None], rows[:, -1:]",
        "_, (h, _) = self.rnn(x)\n        out = torch.cat([h[0], h[1]], -1)",
    ),
    "padded_on_the_left": forecast(
        "self.near = nn.Conv1d(1, width, 3)",
        read="out = torch.relu(self.near(F.pad(x.mT, (2, 0)))).mT",
        times=1,
    ),
    "window_far_ahead": forecast(
        "self.rnn = nn.GRU(1, width, batch_first=True, bidirectional=True)",
        "x_all, y_all = rows[:, :6, None], rows[:, 7:, None]",
    ),
    "reconstruction": forecast(
        "self.rnn = nn.GRU(1, width, batch_first=True, bidirectional=True)",
        "x_all = y_all = rows[:, :, None]",
    ),
    "constant_sequences": forecast(
        "self.rnn = nn.GRU(1, width, batch_first=True, bidirectional=True)",
        "x_all = y_all = rows[:, :1, None].expand(-1, 12, -1)",
    ),
}
KINDS = {"next_element_seen": "training/not_learning"}


class TestPrograms(ProgramChecks):
    pass
