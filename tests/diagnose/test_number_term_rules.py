"""Terms of a loss that are numbers."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"number_in_loss": "training/graph_detached"}
PROGRAM = """
net = Net()
decoder = nn.Linear(4, 3)
optimizer = torch.optim.SGD([*net.parameters(), *decoder.parameters()], lr=0.01)
logged = []
for _ in range(4):
    scores = net(images)
    first = F.cross_entropy(scores, labels)
    second = F.mse_loss(decoder(scores), images.mean((2, 3)))
    {extra}
    loss = {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
BROKEN = {
    "number_in_loss": PROGRAM.format(extra="pass", loss="first + 0.1 * second.item()  # cause"),
    "number_in_loss.by_name": PROGRAM.format(
        extra="second = second.detach().item()  # cause\n    logged.append(second)",
        loss="first + 0.1 * second",
    ),
    "number_in_loss.of_a_float": PROGRAM.format(
        extra="pass", loss="float(second) + first  # cause"
    ),
}
# The decoder receives no gradient in these programs, which another rule may say too.
FIXED = ["number_in_loss", "number_in_loss.of_a_float"]
HEALTHY = {
    "tensors": PROGRAM.format(extra="logged.append(second.item())", loss="first + 0.1 * second"),
    "a_number_as_a_factor": PROGRAM.format(
        extra="share = second.item()", loss="second + first * min(1.0, share)"
    ),
    "a_constant": PROGRAM.format(extra="pass", loss="(first + second - 0.1).abs() + 0.1"),
}


class TestPrograms(FixedProgramChecks):
    pass
