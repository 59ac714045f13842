"""Evaluations that compare the output of a network with its own input."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
RESTORE = """
from torch.utils.data import DataLoader, TensorDataset

class Restore(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1)
        )

    def forward(self, x):
        return self.layers(x)

def psnr(first, second):
    return -10 * torch.log10(((first - second) ** 2).mean())

def pairs(count, seed):
    clean = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    low = F.interpolate(F.avg_pool2d(clean, 2), scale_factor=2)
    return low.numpy().copy(), clean.numpy().copy()

def tensors(arrays):
    return [torch.from_numpy(one) for one in arrays]

net = Restore()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
train = DataLoader(TensorDataset(*tensors(pairs(32, 0))), 8, shuffle=True)
test = DataLoader(TensorDataset(*tensors(pairs(16, 1))), 8)

for epoch in range(2):
    net.train()
    for low, clean in train:
        {loss}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
{evaluation}
"""
LOOP = """
    net.eval()
    total = 0.0
    with torch.no_grad():
        for low, clean in test:
            out = net(low)
            {metric}
    print(total / len(test))
"""
LOSS = "loss = F.mse_loss(net(low), clean)"


def restore(evaluation: str, loss: str = LOSS) -> str:
    return RESTORE.format(loss=loss, evaluation=evaluation)


def loop(metric: str, loss: str = LOSS) -> str:
    return restore(LOOP.format(metric=metric), loss)


BROKEN = {
    "compared_with_its_input": loop(f"total += psnr(out.clamp(0, 1), low).item(){MARK}"),
    "compared_with_its_input.loss": loop(f"total += F.l1_loss(out, low).item(){MARK}"),
    "compared_with_its_input.squares": loop(
        f"error = (out - low).pow(2).mean(){MARK}\n            total += error.item()"
    ),
    "compared_with_its_input.function": restore(
        f"""
class Meter:
    def __init__(self):
        self.errors = []

    def add(self, guess, truth):
        self.errors.append(nn.MSELoss()(guess.flatten(1), truth.flatten(1)))

@torch.inference_mode()
def evaluate(model, meter):
    for image, truth in test:
        guess = model(image)
        meter.add(guess, image){MARK}
    return torch.stack(meter.errors).mean()

print(evaluate(net.eval(), Meter()))
"""
    ),
    "compared_with_its_input.whole_set": restore(
        f"""
X, Y = tensors(pairs(8, 2))
X, Y = X.float() - 0.5, Y.float() - 0.5
net.eval()
with torch.no_grad():
    error = F.mse_loss(net(X), X){MARK}
print(error)
"""
    ),
}
KINDS = {"compared_with_its_input": "loss"}
FIXED = ["compared_with_its_input", "compared_with_its_input.loss"]
NO_PAIR = """
    with torch.no_grad():
        for low, _ in train:
            print(F.mse_loss(net(low), low))
"""
HEALTHY = {
    "target": loop("total += psnr(out, clean).item()"),
    "baseline_of_the_input": loop(
        "total += psnr(out, clean).item()\n            print(psnr(low, clean))"
    ),
    "change_beside_the_target": loop(
        "total += psnr(out, clean).item()\n            print(F.mse_loss(out, low))"
    ),
    "autoencoder": loop("total += F.mse_loss(out, low).item()", "loss = F.mse_loss(net(low), low)"),
    "denoiser": loop(
        "total += F.mse_loss(out, low).item()",
        "loss = F.mse_loss(net(low + 0.1 * torch.randn_like(low)), low)",
    ),
    "anchored": loop(
        "total += F.mse_loss(out, low).item()",
        "out = net(low); loss = F.mse_loss(out, clean) + 0.1 * F.l1_loss(out, low)",
    ),
    "residual": loop(
        "total += F.mse_loss(low - out, clean).item()",
        "loss = F.mse_loss(net(low), low - clean)",
    ),
    "arrays": loop(
        "total += float(((out.numpy() - clean.numpy()) ** 2).mean())\n"
        "            print(F.mse_loss(out, low))"
    ),
    "no_target_in_the_evaluation": restore(
        """
    with torch.no_grad():
        (new,) = tensors(pairs(8, 5))[:1]
        print(F.mse_loss(net(new), new))
"""
    ),
    "fixed_point": restore(
        """
with torch.no_grad():
    x = tensors(pairs(8, 5))[0]
    for step in range(3):
        moved = net(x)
        print((moved - x).abs().max())
        x = moved
"""
    ),
    "cycle": loop(
        "total += F.l1_loss(net(out), low).item()",
        "loss = F.l1_loss(net(low), clean) + F.l1_loss(net(clean), low)",
    ),
    "target_read_later": loop(
        "outs.append((out, clean))\n            print((out - low).abs().mean())"
    ).replace("    total = 0.0\n", "    total = 0.0\n    outs = []\n")
    + "print(sum(F.mse_loss(*pair) for pair in outs))\n",
}


class TestPrograms(FixedProgramChecks):
    pass
