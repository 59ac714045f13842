"""Calls whose arguments do not fit, names that are not defined, and items that are no layers."""

from __future__ import annotations

from rule_checks import FailingProgramChecks

MARK = "  # cause"
TOWER = """
class Tower(nn.Module):
    def __init__(self, inside, classes):
        super().__init__()
        self.conv = nn.Conv2d(inside, 4, 3)
        self.head = nn.Conv2d(4, classes, 1)

    def forward(self, x, scale=None):
        return {use}

{call}
"""
USE = "self.head(torch.relu(self.conv(x)))"
PLAIN = """
class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x)

{call}
"""
PLATEAU = """
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer{options}){built}
for _ in range(2):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    {also}
    scheduler.step({metric}){mark}
"""
LISTED = """
def tower(activation):
    layers = [nn.Conv2d(3, 4, 3)]
    {add}
    layers.append(nn.Conv2d(4, 4, 1))
    return nn.Sequential(*layers)

tower(nn.ReLU{made})(images)
"""
COUNTED = """
steps = 0

def step(net):
    {declared}
    steps += 1{mark}
    return net(images)

step(Net())
"""


def tower(call: str, use: str = USE) -> str:
    """Return a network of two arguments, and what calls it."""
    return TOWER.format(call=call, use=use)


BROKEN = {
    "unexpected_keyword.of_a_layer": f"nn.Conv2d(3, 8, 3, pad=1)(images){MARK}",
    "unexpected_keyword.of_an_optimizer": "torch.optim.SGD(\n    Net().parameters(),\n"
    f"    learning_rate=0.1,{MARK}\n)",
    "unexpected_keyword.of_a_class": tower(f"Tower(3, n_classes=4)(images){MARK}"),
    "unexpected_keyword.of_forward": tower(f"Tower(3, 4)(images, scales=None){MARK}"),
    "unexpected_keyword.only_one_left": "torch.optim.lr_scheduler.MultiStepLR(\n"
    "    torch.optim.SGD(Net().parameters(), lr=0.1),\n"
    f"    step_size=[2, 4],{MARK}\n)",
    "unexpected_keyword.removed": PLATEAU.format(
        options=", verbose=True", built=MARK, also="pass", metric="loss", mark=""
    ),
    "argument_is_missing": f"classes = 4\n{tower(f'Tower(3)(images){MARK}')}",
    "argument_is_missing.of_a_loss": f"target = labels\nnn.CrossEntropyLoss()(Net()(images)){MARK}",
    "argument_is_missing.of_a_stored_loss": "loss, target = nn.CrossEntropyLoss(), labels\n"
    f"loss(Net()(images)){MARK}",
    "argument_is_missing.of_an_optimizer": "optimizer = torch.optim.LBFGS(Net().parameters())\n"
    f"optimizer.step(){MARK}",
    "too_many_arguments": f"def scale(x, by):\n    return x * by\n\nscale(images, 2, by=2){MARK}",
    "plateau_without_metric": PLATEAU.format(
        options="", built="", also="pass", metric="", mark=MARK
    ),
    "plateau_without_metric.validation": PLATEAU.format(
        options="", built="", also="val_loss = loss.item()", metric="", mark=MARK
    ),
    "class_is_called": PLAIN.format(call=f"net = Plain\nnet(images){MARK}"),
    "class_is_called.directly": PLAIN.format(call=f"Plain(images){MARK}"),
    "class_is_called.method": PLAIN.format(call=f"net = Plain()\nPlain.forward(images){MARK}"),
    "import_is_missing": f"np.zeros(3){MARK}",
    "import_is_missing.standard": f"print(math.sqrt(2)){MARK}",
    "self_is_missing": tower("Tower(3, 4)(images)", f"head(torch.relu(self.conv(x))){MARK}"),
    "torch_name_without_module": f"Conv2d(3, 4, 3)(images){MARK}",
    "misspelled_name": f"optimizer = torch.optim.SGD(Net().parameters())\noptimzer.state{MARK}",
    "name_defined_later": f"show(images){MARK}\n\ndef show(x):\n    print(x.shape)",
    "global_is_not_declared": COUNTED.format(declared="pass", mark=MARK),
    "not_a_layer_in_container.appended": LISTED.format(
        add=f"layers.append(activation){MARK}", made=""
    ),
    "not_a_layer_in_container.added": LISTED.format(
        add=f"layers += [nn.BatchNorm2d(4), activation]{MARK}", made=""
    ),
    "numbers_are_stacked": f"kept = [0.5, 2.0]\nprint(torch.stack(kept).mean()){MARK}",
    "numbers_are_stacked.item": "kept = []\nfor one in images:\n"
    "    kept.append(one.mean().item())\n"
    f"print(torch.cat(kept).mean()){MARK}",
}
WITHOUT_FIX = {"too_many_arguments", "argument_is_missing.of_an_optimizer"}
FIXED = [name for name in BROKEN if name not in WITHOUT_FIX]
HEALTHY = {
    "tower": tower("Tower(3, 4)(images)"),
    "plain": PLAIN.format(call="net = Plain()\nnet(images)"),
    "plateau": PLATEAU.format(options="", built="", also="pass", metric="loss.item()", mark=""),
    "listed": LISTED.format(add="layers.append(activation())", made=""),
    "constructed": LISTED.format(add="layers.append(activation)", made="()"),
    "counted": COUNTED.format(declared="global steps", mark=""),
    "stacked": "kept = [one.mean() for one in images]\nprint(torch.stack(kept).mean())",
    "caught": "try:\n    np\nexcept NameError:\n    pass",
}
# Programs that raise for reasons that no rule here knows, and those that they do not concern.
OTHER = {
    "keyword_of_a_dictionary": "def scale(x, by):\n    return x * by\n\n"
    "scale(images, **{'size': 2})",
}


class TestPrograms(FailingProgramChecks):
    pass
