"""Parameters and buffers whose memory nothing initializes before it is read."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
# Nothing trains here: the memory may have a NaN, of which a loss would be another finding.
SCALED = """
class Scale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        {stored}{mark}
        {then}

    def forward(self, x):
        {first}
        return x * self.gain

net = nn.Sequential(nn.Conv2d(3, 5, 3), Scale(5), nn.ReLU(), nn.Flatten(), nn.Linear(80, 4))
{between}
with torch.no_grad():
    print(net(images).shape)
"""
TOKENS = """
class Encoder(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.width = width
        self.lift = nn.Linear(18, width)
        self.positions = nn.Parameter(torch.empty(1, 9, width)){mark}
        {then}
        self.head = nn.Linear(width, 4)

    def forward(self, x):
        x = self.lift(x.reshape(len(x), 6, 18)) + self.positions[:, :6]
        return self.head(x.mean(1))

net = Encoder().to(torch.device("cpu")).double()
with torch.no_grad():
    print(net(images.double()).shape)
"""
EMPTY = "self.gain = nn.Parameter(torch.empty(1, channels, 1, 1))"


def scaled(**parts: str) -> str:
    usual = dict.fromkeys(("mark", "then", "first", "between"), "")
    usual["then"] = usual["first"] = "pass"
    return SCALED.format(**({**usual, "stored": EMPTY} | parts))


BROKEN = {
    "parameter_is_not_initialized": scaled(
        stored="self.gain = nn.Parameter(torch.Tensor(1, channels, 1, 1))", mark=MARK
    ),
    "parameter_is_not_initialized.part": TOKENS.format(mark=MARK, then="pass"),
    "parameter_is_not_initialized.buffer": scaled(
        stored='self.register_buffer("gain", torch.empty(1, channels, 1, 1))', mark=MARK
    ),
    "parameter_is_not_initialized.one_size": scaled(
        stored="self.gain = nn.Parameter(torch.Tensor(channels))",
        mark=MARK,
        first="x = x.transpose(1, 3)[..., :5].transpose(1, 3)",
        between="net[1].forward = lambda x: x * net[1].gain.view(1, -1, 1, 1)",
    ),
}
KINDS = {"parameter_is_not_initialized": "module"}
FIXED = list(BROKEN)
HEALTHY = {
    "by_an_initializer": scaled(then="nn.init.ones_(self.gain)"),
    "through_data": scaled(then="self.gain.data.uniform_(0.5, 1.5)"),
    "data_is_replaced": scaled(between="net[1].gain.data = torch.ones(1, 5, 1, 1)"),
    "through_a_view_of_data": scaled(then="self.gain.data[:] = 1.0"),
    "through_numpy": scaled(then="self.gain.detach().numpy()[:] = 1.0"),
    "by_apply": scaled(
        between="net.apply(lambda m: isinstance(m, Scale) and m.gain.data.fill_(1.0))"
    ),
    "from_numbers": scaled(stored="self.gain = nn.Parameter(torch.Tensor([1.0]))"),
    "from_a_list": scaled(
        stored="channels = [1.0]; self.gain = nn.Parameter(torch.Tensor(channels))"
    ),
    "in_the_first_pass": scaled(
        first="self.gain.data.copy_(1 / x.std((0, 2, 3), keepdim=True)) if self.training else 0"
    ),
    "loaded": scaled(
        between="net.load_state_dict({k: torch.ones_like(v) for k, v in "
        "net.state_dict().items()}, assign=True)"
    ),
    "copied_after_initialization": scaled(
        then="nn.init.ones_(self.gain)", between="import copy; net = copy.deepcopy(net)"
    ),
    "to_another_dtype": TOKENS.format(mark="", then="self.positions.data.normal_(0, 0.02)"),
    "after_a_pass_for_shapes": scaled(
        between="net(images[:1])\nnn.init.ones_(net[1].gain)",
    ),
    "queue": scaled(
        stored='self.register_buffer("gain", torch.empty(4, 5, 1, 1))',
        first="self.gain[0] = 1.0; return x * self.gain[:1]",
    ),
}


class TestPrograms(FixedProgramChecks):
    pass
