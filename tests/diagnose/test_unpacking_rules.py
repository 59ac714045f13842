"""Batches and outputs that are unpacked wrongly, and loaders that are used like iterators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = """
from torch.utils.data import DataLoader, Dataset, TensorDataset

class Items(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {sample}

net = Net().eval()
"""
PAIR = DATA.format(sample="images[index], index % 4")
MAPPING = DATA.format(sample='{"image": images[index], "label": index % 4}')
MORE = DATA.format(sample='{"pixels": images[index], "target": index % 4, "index": index}')
SHOW = "    print(net({x}).shape, {y})\n"
MARK = "  # cause"
BROKEN = {
    "keys_unpacked.into_as_many_names": MAPPING
    + f"for image, label in DataLoader(Items(), 4):{MARK}\n"
    + SHOW.format(x="image", y="label"),
    "keys_unpacked.in_a_function": MORE
    + f"""
def show(loader, device):
    for step, (inputs, targets) in enumerate(loader):{MARK}
        inputs = inputs.to(device)
        print(step, net(inputs).shape, targets)

show(DataLoader(Items(), batch_size=4), "cpu")
""",
    "keys_unpacked.of_a_batch": MAPPING
    + f"""
for batch in DataLoader(Items(), 4):
    labels, inputs = batch{MARK}
    print(net(inputs).shape, labels)
""",
    "other_number_of_parts.of_a_batch": PAIR
    + f"""
loader = DataLoader(TensorDataset(images, labels, torch.rand(16)), batch_size=4)
for x, y in loader:{MARK}
"""
    + SHOW.format(x="x", y="y"),
    "other_number_of_parts.too_few": PAIR
    + f"for x, y, z in DataLoader(Items(), 4):{MARK}\n"
    + SHOW.format(x="x", y="y"),
    "other_number_of_parts.numbered": PAIR
    + f"for k, x, y in enumerate(DataLoader(Items(), 4)):{MARK}\n"
    + SHOW.format(x="x", y="y"),
    "other_number_of_parts.of_an_output": PAIR
    + f"scores, features = net(images){MARK}\nprint(scores.shape)\n",
    "other_number_of_parts.of_a_shape": PAIR
    + f"batch, channels, height, width = images{MARK}\nprint(batch)\n",
    "other_number_of_parts.of_a_function": """
def both(x):
    return x, x + 1, x + 2

"""
    f"first, second = both(3){MARK}\nprint(first)\n",
    "other_number_of_parts.of_a_mapping": f"""
options = {{"rate": 0.1, "steps": 3}}
for name, value in options:{MARK}
    print(name, value)
""",
    "other_number_of_parts.of_parameters": PAIR
    + f"for name, one in net.parameters():{MARK}\n    print(name, one.shape)\n",
    "loader_is_no_iterator.next": PAIR
    + f"loader = DataLoader(Items(), 4)\nx, y = next(loader){MARK}\nprint(net(x).shape)\n",
    "loader_is_no_iterator.index": PAIR
    + f"loader = DataLoader(Items(), 4)\nx, y = loader[0]{MARK}\nprint(net(x).shape)\n",
}
HEALTHY = {
    "keys": MAPPING
    + 'for batch in DataLoader(Items(), 4):\n    print(net(batch["image"]).shape)\n'
    + "    image, label = batch.values()\n",
    "keys_in_a_loop": 'for first, second in {"ab": 1, "cd": 2}:\n    print(first, second)\n',
    "all_parts": PAIR + "for x, y in DataLoader(Items(), 4):\n" + SHOW.format(x="x", y="y"),
    "iterated": PAIR + "x, y = next(iter(DataLoader(Items(), 4)))\nprint(net(x).shape)\n",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    programs = BROKEN | {f"healthy.{name}": text for name, text in HEALTHY.items()}
    return judge(tmp_path_factory.mktemp("programs"), programs)


@pytest.mark.parametrize("name", BROKEN)
def test_the_cause_is_where_it_is_unpacked(name: str, judged: Mapping[str, Judged]) -> None:
    assert judged[name].raised
    judged[name].assert_fix_at_cause(name.partition(".")[0])


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[f"healthy.{name}"].assert_clean()
