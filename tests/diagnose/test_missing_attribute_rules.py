"""Attributes that an object does not have: misspelled, never stored, or assigned elsewhere."""

from __future__ import annotations

from rule_checks import FailingProgramChecks

MARK = "  # cause"
TOWER = """
class Tower(nn.Module):
    def __init__(self, width{parameter}):{at_init}
        super().__init__()
        {first}
        {second}

    def forward(self, x):
        {use}

Tower(5)(images)
"""
CONV, LAST = "self.conv1 = nn.Conv2d(3, width, 3)", "self.last = nn.Conv2d(width, 2, 1)"
TRAINER = """
class Trainer:
    def __init__(self, net):
        self.net = net

    def prepare(self):
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01)

    def step(self, x, y):
        loss = F.cross_entropy(self.net(x), y)
        self.optimizer.zero_grad(){mark}
        loss.backward()
        self.optimizer.step()

trainer = Trainer(Net())
{prepare}
for x, y in zip(images.split(8), labels.split(8)):
    trainer.step(x, y)
"""
OPTIONS = """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float, default=0.1)
options = parser.parse_args([])
torch.optim.SGD(Net().parameters(), lr=options.{name}){mark}
"""
RESNET = """
import torchvision

net = torchvision.models.resnet18()
net.fc = nn.Linear(net.{name}.in_features, 5){mark}
"""


def tower(**parts: str) -> str:
    """Return a network whose constructor or forward has other lines."""
    lines = {"parameter": "", "at_init": "", "first": CONV, "second": LAST}
    return TOWER.format(**lines | {"use": "return self.last(torch.relu(self.conv1(x)))"} | parts)


BROKEN = {
    "misspelled_attribute.use": tower(use=f"return self.last(torch.relu(self.cov1(x))){MARK}"),
    "misspelled_attribute.method": tower(
        use=f"return self.conv1(x) + len(self.paramaters()){MARK}"
    ),
    "misspelled_attribute.definition": tower(
        first=f"self.cov1 = nn.Conv2d(3, width, 3){MARK}",
        use="return self.last(self.conv1(x).relu()) if x.mean() < 9 else self.conv1(x)",
    ),
    "misspelled_attribute.option": OPTIONS.format(name="learn_rate", mark=MARK),
    "assigned_without_self": tower(second=f"last = nn.Conv2d(width, 2, 1){MARK}"),
    "assigned_without_self.and_read": tower(
        second=f"last = nn.Conv2d(width, 2, 1){MARK}\n        self.all = nn.ModuleList([last])"
    ),
    "assigned_without_self.in_a_helper": tower(
        second="self.build(width)\n\n    def build(self, width):\n        "
        f"last = nn.Conv2d(width, 2, 1){MARK}"
    ),
    "argument_is_not_stored": tower(
        at_init=MARK, use="return self.last(self.conv1(x).relu()[:, : self.width])"
    ),
    "argument_is_not_stored.in_init": tower(
        at_init=MARK, second="self.last = nn.Conv2d(self.width, 2, 1)"
    ),
    "attribute_used_too_early": tower(
        first=f"self.size = self.conv1(images).shape[1]{MARK}",
        second=f"{CONV}\n        self.last = nn.Conv2d(self.size, 2, 1)",
    ),
    "attribute_assigned_elsewhere.branch": tower(
        parameter=", scale=False", first=f"{CONV}\n        if scale:{MARK}\n            {LAST}"
    ).replace(f"\n        {LAST}\n\n", "\n\n"),
    "attribute_assigned_elsewhere.method": TRAINER.format(prepare="", mark=MARK),
    "name_is_not_in_module": f"nn.Relu()(images){MARK}",
    "name_is_not_in_module.longer": f"nn.CrossEntropy()(Net()(images), labels){MARK}",
    "name_is_not_in_module.removed": f"import numpy as np\nnp.zeros(3, dtype=np.float){MARK}",
    "module_is_called": f"import copy\ncopy(images){MARK}",
    "head_has_another_name": RESNET.format(name="classifier", mark=MARK),
    "method_of_another_library.tensor": f"(images > 0).astype(float).mean(){MARK}",
    "method_of_another_library.dtype": f"import numpy as np\nimages.astype(np.float64){MARK}",
    "method_of_another_library.number": f"total = images.sum().item()\ntotal.item(){MARK}",
    "method_of_another_library.array": f"scores = images.numpy()\nscores.cpu().mean(){MARK}",
    "method_of_another_library.iterator": f"parts = iter(images)\nparts.next().mean(){MARK}",
    "method_of_another_library.dictionary": "kept = {'a': 1}\n"
    f"for key, value in kept.iteritems():{MARK}\n    print(key, value)",
}
WITHOUT_FIX = {"misspelled_attribute.method"}
FIXED = [name for name in BROKEN if name not in WITHOUT_FIX]
HEALTHY = {
    "tower": tower(),
    "stored": tower(second=f"last = nn.Conv2d(width, 2, 1)\n        {LAST}"),
    "asked": tower(use="return self.last(self.conv1(x).relu()) if hasattr(self, 'last') else x"),
    "prepared": TRAINER.format(prepare="trainer.prepare()", mark=""),
    "options": OPTIONS.format(name="learning_rate", mark=""),
    "fallback": "try:\n    nn.Relu()\nexcept AttributeError:\n    nn.ReLU()",
}
# Programs that raise AttributeError for reasons that no rule here knows.
OTHER = {
    "no_near_name": tower(use="return self.last(self.stem(x))"),
    "another_number": tower(use="return self.last(self.conv2(x))"),
    "a_property_that_raises": tower().replace(
        "    def forward",
        "    @property\n    def scale(self):\n        return images.scale\n\n    def forward",
    )
    + "\nTower(5).scale",
    "own_getattr": "class Lazy:\n    def __getattr__(self, name):\n"
    "        raise AttributeError(f\"has no attribute '{name}'\")\n\nLazy().head",
}


class TestPrograms(FailingProgramChecks):
    pass
