"""Convolutions over sequences whose input has the length 1."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
SERIES = """
from torch.utils.data import DataLoader, Dataset, TensorDataset

series = torch.randn(80).cumsum(0)
windows, after = series[:-1].unfold(0, 12, 1), series[12:]
"""
FORECAST = """
class Forecast(nn.Module):
    def __init__(self, channels, length, kernel=3, padding=1):
        super().__init__()
        self.conv = nn.Conv1d(channels, 8, kernel, padding=padding)
        self.head = nn.Linear(8 * length, 1)

    def forward(self, x):
        {forward}

{net}
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
{data}
for epoch in range(2):
    for x, y in {batches}:
        loss = F.mse_loss(net(x).squeeze(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
USUAL = {
    "forward": "return self.head(F.relu(self.conv(x)).flatten(1))",
    "net": "net = Forecast(12, 1)",
    "data": f"X = windows.unsqueeze(-1){MARK}",
    "batches": "zip(X.split(16), after.split(16))",
}


def forecast(before: str = "", **parts: str) -> str:
    return SERIES + before + FORECAST.format(**(USUAL | parts))


READING = """
class Windows(Dataset):
    def __len__(self):
        return len(windows)

    def __getitem__(self, i):
        x = {item}
        return x, after[i]
"""
FEATURES = "features = torch.randn(68, 12)"
BROKEN = {
    "slides_along_one_step": forecast(),
    "slides_along_one_step.dataset": forecast(
        READING.format(item=f"windows[i][:, None]{MARK}"),
        data="",
        batches="DataLoader(Windows(), 16, shuffle=True)",
    ),
    "slides_along_one_step.in_forward": forecast(
        forward=f"x = x.view(len(x), -1, 1){MARK}\n"
        "        return self.head(self.conv(x).tanh().flatten(1))",
        data="X = (windows - windows.mean()) / windows.std()",
    ),
    "slides_along_one_step.from_numpy": forecast(
        data="X = torch.from_numpy(windows.numpy()[:, :, None].copy())",
        batches="DataLoader(TensorDataset(X, after), 16, shuffle=True)",
    ).replace("padding=padding)", f"padding=padding){MARK}"),
    "slides_along_one_step.exchanged": forecast(
        data=f"X = torch.from_numpy(windows.numpy()[:, None].copy()).transpose(1, 2){MARK}"
    ),
}
KINDS = {"slides_along_one_step": "module"}
HEALTHY = {
    "one_channel": forecast(net="net = Forecast(1, 12)", data="X = windows.unsqueeze(1)"),
    "kernel_of_one": forecast(
        net="net = Forecast(12, 1, kernel=1, padding=0)", data="X = windows.unsqueeze(-1)"
    ),
    "single_steps_of_features": forecast(
        data=f"{FEATURES}\nX = features.unsqueeze(1)",
        forward="x = x.transpose(1, 2)\n        return self.head(F.relu(self.conv(x)).flatten(1))",
    ),
    "steps_and_features": forecast(
        net="net = Forecast(2, 12)", data="X = torch.stack([windows, windows ** 2], 1)"
    ),
    "pooled": forecast(
        net="net = Forecast(8, 1)\nnet.first = nn.Conv1d(1, 8, 3)",
        data="X = windows.unsqueeze(1)",
        forward="x = F.relu(self.first(x)).mean(2, keepdim=True)\n"
        "        return self.head(F.relu(self.conv(x)).flatten(1))",
    ),
    "embedded": forecast(
        net="net = Forecast(12, 1)\nnet.first = nn.Linear(12, 12)",
        data="X = windows",
        forward="x = F.relu(self.first(x)).unsqueeze(-1)\n"
        "        return self.head(F.relu(self.conv(x)).flatten(1))",
    ),
    "step_by_step": forecast(
        net="net = Forecast(6, 1)",
        data="X = torch.randn(68, 12, 6)",
        forward="x = sum(self.conv(x[:, t].unsqueeze(-1)) for t in range(12))\n"
        "        return self.head(F.relu(x).flatten(1))",
    ),
    "also_longer_sequences": forecast(
        data="X = torch.randn(68, 12, 1)",
        net="net = Forecast(12, 1)\nnet(torch.randn(4, 12, 9)[:, :, :1])",
        forward="x = self.conv(x).amax(2)\n        return self.head(F.relu(x))",
        batches="[(X[:16], after[:16]), (torch.randn(16, 12, 5), after[:16])]",
    ),
    "last_step": forecast(
        net="net = Forecast(12, 1)",
        data="X = torch.randn(68, 12, 7)[:, :, -1:]",
    ),
    "few_features": forecast(
        net="net = Forecast(2, 1)", data="X = torch.randn(68, 2).unsqueeze(-1)"
    ),
    "only_an_example": forecast(
        net="net = Forecast(1, 12)\nother = nn.Conv1d(12, 4, 3, padding=1)\n"
        "print(other(windows.unsqueeze(-1)).shape)",
        data="X = windows.unsqueeze(1)",
    ),
}


class TestPrograms(ProgramChecks):
    pass
