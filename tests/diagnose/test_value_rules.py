"""Exceptions of single values: keys, numbers, conditions, dimensions, text, pictures, weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "  # cause"
NET = "net = Net().eval()\n"
EVALUATED = """
criterion = nn.CrossEntropyLoss({reduction}){mark}
total = 0.0
with torch.no_grad():
    for x, y in zip(images.split(4), labels.split(4)):
        loss = criterion(net(x), y)
        {log}
        total += loss.item(){other}
print(total)
"""
COUNTED = """
right = 0
for x, y in zip(images.split(4), labels.split(4)):
    guess = net(x).argmax(1)
    {body}
print(right)
"""
SQUEEZED = """
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = nn.functional.adaptive_avg_pool2d(self.conv(x), 1)
        return F.log_softmax(self.head(x.{squeeze}), dim=1){mark}

print(Small().eval()(images[:1]))
"""
SWAPPED = """
class Smooth(nn.Module):
    def forward(self, scores, classes):
        return F.cross_entropy(scores, classes, label_smoothing=0.1)

def step(criterion, x, y):
    scores = net(x)
    return criterion({arguments}){mark}

print(step({loss}, images, labels))
"""
WEIGHTED = """
class Trainer:
    def __init__(self, network, weights):
        self.network = network
        self.criterion = nn.CrossEntropyLoss(weight=torch.tensor(weights))

    def loss(self, x, y):
        return self.criterion(self.network(x), y)

weights = [0.5, 2.0, 1.0{more}]{mark}
print(Trainer(net, weights).loss(images, labels))
"""
COUNTS = """
def weights(some):
    return 1.0 / torch.bincount(some{length}).clamp(min=1){mark}

few = torch.tensor([0, 1, 2, 1])
print(F.cross_entropy(net(images[:4]), few, weight=weights(few)))
"""
BROKEN = {
    "key_is_misspelled.of_a_batch": NET
    + f"""
batch = {{"image": images, "label": labels}}
print(F.cross_entropy(net(batch["image"]), batch["labels"])){MARK}
""",
    "key_is_misspelled.of_a_default": f"""
options = {{"learning_rate": 0.1, "batchSize": 3}}

def option(name="batch_size"):{MARK}
    return options[name]

print(option())
""",
    "number_of_several_elements.of_a_loss": NET
    + EVALUATED.format(reduction='reduction="none"', mark=MARK, log="pass", other=""),
    "number_of_several_elements.that_is_averaged_elsewhere": NET
    + EVALUATED.format(reduction='reduction="none"', mark="", log="print(loss.mean())", other=MARK),
    "number_of_several_elements.of_a_comparison": NET
    + COUNTED.format(body=f"right += (guess == y).item(){MARK}"),
    "number_of_several_elements.float": NET
    + f"with torch.no_grad():\n    print(float(net(images).max(1).values)){MARK}\n",
    "condition_of_several_elements.that_counts": NET
    + COUNTED.format(body=f"if guess == y:{MARK}\n        right += 1"),
    "condition_of_several_elements.that_compares": f"assert labels == labels.clone(){MARK}\n",
    "condition_of_several_elements.of_masks": f"""
inside = (images > 0) and (images < 1){MARK}
print(inside.sum())
""",
    "condition_of_several_elements.of_a_maximum": f"print(max(images, 0.0).mean()){MARK}\n",
    "condition_of_several_elements.of_a_choice": f"""
def sign(x):
    return 1.0 if x > 0 else -1.0{MARK}

print(sign(images).sum())
""",
    "dimension_does_not_exist.after_squeeze": SQUEEZED.format(squeeze="squeeze()", mark=MARK),
    "dimension_does_not_exist.of_scores": NET
    + f"print(net(images[:1]).squeeze().argmax(1)){MARK}\n",
    "dimension_does_not_exist.of_a_mean": f"print(images.mean((0, 2, 3)).softmax(1)){MARK}\n",
    "dimension_does_not_exist.of_classes": NET
    + f"print((net(images).argmax(1) == labels.argmax(1)).sum()){MARK}\n",
    "index_lacks_a_dimension.method": NET
    + f"print(net(images).log_softmax(1).gather(1, labels).mean()){MARK}\n",
    "index_lacks_a_dimension.function": NET
    + f"print(torch.gather(net(images), 1, index=labels).mean()){MARK}\n",
    "numbers_concatenated": NET
    + f"""
torch.set_grad_enabled(False)
losses = [F.cross_entropy(net(x), y) for x, y in zip(images.split(4), labels.split(4))]
print(torch.cat(losses).mean()){MARK}
""",
    "text_as_tensor.of_names": NET
    + f"""
names = ["cat", "dog", "cat", "bird"]
targets = torch.tensor(names){MARK}
print(F.cross_entropy(net(images[:4]), targets))
""",
    "text_as_tensor.of_an_array": f"""
import numpy as np

names = np.array(["cat", "dog", "cat", "bird"])
print(torch.from_numpy(names)){MARK}
""",
    "text_as_tensor.of_numbers": f"""
values = "0.5,2".split(",")
print(torch.tensor(values)){MARK}
""",
    "other_number_of_class_weights.of_a_list": NET + WEIGHTED.format(more="", mark=MARK),
    "other_number_of_class_weights.of_counts": NET + COUNTS.format(length="", mark=MARK),
    "picture_in_network.without_a_converter": f"""
from PIL import Image

picture = Image.new("RGB", (6, 6))
print(Net().eval()(picture)){MARK}
""",
    "picture_in_network.in_a_function": NET
    + f"""
from PIL import Image
from torchvision import transforms

def predict(picture):
    picture = picture.convert("RGB")
    return net(picture).argmax(1){MARK}

print(predict(Image.new("L", (6, 6))))
""",
    "arguments_exchanged.of_a_criterion": NET
    + SWAPPED.format(arguments="y, scores", loss="nn.CrossEntropyLoss()", mark=MARK),
    "arguments_exchanged.of_an_own_loss": NET
    + SWAPPED.format(arguments="y, scores", loss="Smooth()", mark=MARK),
    "collection_as_tensor.of_an_array": NET
    + f"""
import numpy as np

picture = np.zeros((6, 6, 3), dtype=np.uint8){MARK}
print(net(picture))
""",
}
TUPLE = """
class Both(nn.Module):
    def forward(self, x):
        return x, x.mean((2, 3))

features = Both()(images)
print(nn.Linear(3, 2)(features))
"""
HEALTHY = {
    "reduced": NET + EVALUATED.format(reduction="", mark="", log="pass", other=""),
    "counted": NET + COUNTED.format(body="right += (guess == y).sum().item()"),
    "caught": """
options = {"rate": 0.1}
try:
    rate = options["rates"]
except KeyError:
    rate = options["rate"]
""",
    "flattened": SQUEEZED.format(squeeze="flatten(1)", mark=""),
    "in_order": NET + SWAPPED.format(arguments="scores, y", loss="Smooth()", mark=""),
    "weighted": NET + WEIGHTED.format(more=", 1.0", mark=""),
    "of_all_counts": NET + COUNTS.format(length=", minlength=4", mark=""),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    programs = BROKEN | {f"healthy.{name}": text for name, text in HEALTHY.items()}
    return judge(tmp_path_factory.mktemp("programs"), programs | {"tuple": TUPLE})


@pytest.mark.parametrize("name", BROKEN)
def test_the_first_fix_is_at_the_cause(name: str, judged: Mapping[str, Judged]) -> None:
    rule = name.partition(".")[0]
    assert judged[name].raised
    assert list(judged[name].rules) == [rule], judged[name]
    assert "# cause" in judged[name].rules[rule] + judged[name].changed[rule], judged[name]
    judged[name].assert_fix(rule)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[f"healthy.{name}"].assert_clean()


def test_no_rule_speaks_of_the_size_of_a_tuple(judged: Mapping[str, Judged]) -> None:
    assert judged["tuple"].raised
    assert list(judged["tuple"].rules) == ["collection_as_tensor"]
