"""Names and variables without a value, samples that no batch holds, resumed schedules."""

from __future__ import annotations

from rule_checks import FailingProgramChecks

MARK = "  # cause"
RATE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--learning_rate", type=float, default=0.1)
{options} = parser.parse_args([]){read}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr={rate}){mark}
"""
SPLIT = """
def prepare():
    train = images[:12]
    {end}

def evaluate(net):
    return net(train).argmax(1){mark}

{call}
evaluate(Net().eval())
"""
COUNT = """
def accuracy(net, batches):
    {start}
    for x, y in batches:
        correct += (net(x).argmax(1) == y).sum().item(){mark}
    return correct / 16

print(accuracy(Net().eval(), [(images, labels)]))
"""
BEST = """
def fit(net, batches, limit=0.1):
    for x, y in batches:{empty}
        loss = F.cross_entropy(net(x), y).item()
        if loss < limit:{mark}
            best = loss
    return {result}

print(fit(Net().eval(), {batches}))
"""
ITEMS = """
from torch.utils.data import DataLoader, Dataset

class Box:
    def __init__(self, corners):
        self.corners = corners

class Scenes(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {item}{mark}

for batch in DataLoader(Scenes(), batch_size=4{collate}):
    {use}
"""
DICT = '{"image": images[index], "label": labels[index]}'
SCHEDULE = """
net = Net()
optimizer = torch.optim.SGD([{groups}], lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2{last}){mark}
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
    scheduler.step()
"""
PLAIN = '{"params": net.parameters()}'


def best(**parts: str) -> str:
    usual = {"empty": "", "mark": "", "result": "best"}
    return BEST.format(**(usual | {"batches": "[(images, labels)]"} | parts))


BROKEN = {
    "option_without_its_object": RATE.format(
        options="args", read="", rate="learning_rate", mark=MARK
    ),
    "option_without_its_object.of_a_dict": RATE.format(
        options="config", read=".__dict__", rate="learning_rate", mark=MARK
    ),
    "name_is_not_in_scope": SPLIT.format(end="return len(train)", call="prepare()", mark=MARK),
    "name_is_not_in_scope.of_nothing": f"print(quux){MARK}",
    "name_is_not_in_scope.of_two_near_ones": f"first_loss, last_loss = 1, 2\nprint(loss){MARK}",
    "sum_without_start": COUNT.format(start="net.eval()", mark=MARK),
    "assignment_did_not_run": best(mark=MARK),
    "assignment_did_not_run.of_a_loop": best(empty=MARK, result="loss", batches="[]"),
    "objects_in_default_collate": ITEMS.format(
        item="Box(images[index])", collate="", use="print(batch)", mark=MARK
    ),
    "objects_in_default_collate.in_a_tuple": ITEMS.format(
        item="images[index], Box([0, 0, 2, 2])", collate="", use="print(len(batch))", mark=MARK
    ),
    "mapping_read_by_position": ITEMS.format(
        item=DICT, collate="", use=f"Net()(batch[0]){MARK}", mark=""
    ),
    "scheduler_resumes_nothing": SCHEDULE.format(groups=PLAIN, last=", last_epoch=0", mark=MARK),
}
WITHOUT_FIX = {
    *("name_is_not_in_scope", "name_is_not_in_scope.of_nothing"),
    *("name_is_not_in_scope.of_two_near_ones", "assignment_did_not_run"),
    *("assignment_did_not_run.of_a_loop", "objects_in_default_collate"),
}
FIXED = [name for name in BROKEN if name not in WITHOUT_FIX]
HEALTHY = {
    "option": RATE.format(options="args", read="", rate="args.learning_rate", mark=""),
    "global": SPLIT.format(end="return train", call="train = prepare()", mark=""),
    "counted": COUNT.format(start="correct = 0", mark=""),
    "assigned": best().replace("    for", "    best = 0.0\n    for"),
    "collated": ITEMS.format(
        item="Box(images[index])",
        collate=", collate_fn=lambda boxes: torch.stack([box.corners for box in boxes])",
        use="print(batch.shape)",
        mark="",
    ),
    "keyed": ITEMS.format(item=DICT, collate="", use='Net()(batch["image"])', mark=""),
    "new_schedule": SCHEDULE.format(groups=PLAIN, last="", mark=""),
    "resumed_schedule": SCHEDULE.format(
        groups='{"params": net.parameters(), "initial_lr": 0.1}', last=", last_epoch=0", mark=""
    ),
}
# Programs that raise for reasons that no rule here knows.
OTHER = {
    "key_of_other_type": "table = {1: 'a', 'b': 2}\nprint(table[0])",
    "deleted": "def last():\n    one = 1\n    del one\n    return one\n\nlast()",
}


class TestPrograms(FailingProgramChecks):
    pass
