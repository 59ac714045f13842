"""Rules about the divergence of variational autoencoders, and about gradient penalties."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "divergence_subtracted": "loss/wrong_loss",
    "noise_times_variance": "loss/wrong_loss",
    "penalty_without_graph": "training/graph_detached",
}
AUTOENCODER = """
class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(108, 24), nn.Tanh())
        self.heads = nn.Linear(24, 12)
        self.decoder = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 108))

    def draw(self, center, spread):
        {draw}

    def forward(self, x):
        center, spread = self.heads(self.encoder(x)).chunk(2, dim=1)
        return self.decoder(self.draw(center, spread)), center, spread

net = Coder()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for _ in range(4):
    output, center, spread = net(images)
    error = F.mse_loss(output, images.flatten(1), reduction="sum") / len(images)
    {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
DRAWN = "return center + torch.randn_like(center) * (0.5 * spread).exp()"
DIVERGENCE = "(1 + spread - center**2 - spread.exp())"
TOTAL = f"loss = error - 0.5 * {DIVERGENCE}.sum(1).mean()"
CRITIC = """
critic = nn.Sequential(nn.Flatten(), nn.Linear(108, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
fakes = torch.randn_like(images)

def slope(net, x):
    x = x.detach().clone().requires_grad_()
    score = net(x)
    {slope}
    return {penalty}

for _ in range(4):
    loss = F.softplus(-critic(images)).mean() + F.softplus(critic(fakes)).mean()
    {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
SQUARED = "gradient.flatten(1).pow(2).sum(1).mean()"
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "divergence_subtracted.mean": AUTOENCODER.format(
        draw=DRAWN, loss=f"loss = error + 0.5 * {DIVERGENCE}.sum(1).mean()  # cause"
    ),
    "divergence_subtracted.minus": AUTOENCODER.format(
        draw=DRAWN,
        loss="kl = 0.5 * (center.square() + spread.exp() - 1 - spread).sum(-1)\n"
        "    loss = (error - 0.1 * kl).mean()  # cause",
    ),
    "divergence_subtracted.log_deviation": AUTOENCODER.format(
        draw="return center + torch.randn_like(center) * spread.exp()",
        loss="loss = error + (0.5 + spread - 0.5 * center**2 - 0.5 * (2 * spread).exp()"
        ").mean()  # cause",
    ),
    "noise_times_variance.method": AUTOENCODER.format(
        draw="return spread.exp() * torch.randn_like(center) + center  # cause", loss=TOTAL
    ),
    "noise_times_variance.names": AUTOENCODER.format(
        draw="deviation = torch.exp(spread)  # cause\n"
        "        noise = torch.randn(center.shape)\n"
        "        return noise.mul(deviation).add_(center)",
        loss="kl = -0.5 * torch.mean(torch.sum(1 + spread - center.pow(2) - torch.exp(spread), 1))"
        "\n    loss = error + 4 * kl",
    ),
    "penalty_without_graph.real": CRITIC.format(
        slope="gradient, = torch.autograd.grad(score.sum(), x)  # cause",
        penalty=SQUARED,
        loss="loss = loss + 5 * slope(critic, images)",
    ),
    "penalty_without_graph.norms": CRITIC.format(
        slope="gradient = torch.autograd.grad(  # cause\n"
        "        score, x, torch.ones_like(score), retain_graph=True\n    )[0]",
        penalty="(gradient.flatten(1).norm(2, dim=1) - 1).square().mean()",
        loss="loss += 10.0 * slope(critic, fakes)",
    ),
}
HEALTHY = {
    "divergence": AUTOENCODER.format(draw=DRAWN, loss=TOTAL),
    "weighted_divergence": AUTOENCODER.format(
        draw="return torch.randn_like(center) * torch.exp(spread / 2) + center",
        loss="kl = 0.5 * (center.square() + spread.exp() - 1 - spread).sum(-1)\n"
        "    loss = error + 0.1 * kl.mean()",
    ),
    "log_deviation": AUTOENCODER.format(
        draw="return center + torch.randn_like(center) * spread.exp()",
        loss="loss = error - (0.5 + spread - 0.5 * center**2 - 0.5 * (2 * spread).exp()).mean()",
    ),
    "variance_of_deviation": AUTOENCODER.format(
        draw="return center + torch.randn_like(center) * torch.exp(spread)",
        loss="deviation = torch.exp(spread)\n"
        "    kl = 0.5 * (deviation**2 + center**2 - 1 - 2 * torch.log(deviation))\n"
        "    loss = error + kl.sum(1).mean()",
    ),
    "lower_bound": AUTOENCODER.format(
        draw=DRAWN, loss=f"bound = -error + 0.5 * {DIVERGENCE}.sum(1).mean()\n    loss = -bound"
    ),
    "likelihood": AUTOENCODER.format(
        draw=DRAWN,
        loss="density = -0.5 * (spread + (output[:, :6] - center) ** 2 / spread.exp())\n"
        "    loss = error - density.sum(1).mean()",
    ),
    "penalty": CRITIC.format(
        slope="gradient, = torch.autograd.grad(score.sum(), x, create_graph=True)",
        penalty=SQUARED,
        loss="loss = loss + 5 * slope(critic, images)",
    ),
    "reported_slope": CRITIC.format(
        slope="gradient, = torch.autograd.grad(score.sum(), x)",
        penalty=SQUARED,
        loss="print(slope(critic, images).item(), loss.item())",
    ),
    "weight_of_a_term": CRITIC.format(
        slope="gradient, = torch.autograd.grad(score.sum(), x)",
        penalty="1 / (1 + gradient.flatten(1).norm(dim=1).mean())",
        loss="loss = loss + slope(critic, images) * critic(fakes).square().mean()",
    ),
    "adversarial_input": CRITIC.format(
        slope="gradient, = torch.autograd.grad(score.sum(), x)",
        penalty="x.detach() + 0.1 * gradient.sign()",
        loss="loss = loss + F.softplus(-critic(slope(critic, images))).mean()",
    ),
}
FIXED = [
    "divergence_subtracted.mean",
    "noise_times_variance.method",
    "noise_times_variance.names",
    "penalty_without_graph.real",
    "penalty_without_graph.norms",
]


class TestPrograms(FixedProgramChecks):
    pass
