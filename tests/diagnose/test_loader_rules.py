"""Rules about data sets, transforms and loaders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import CAUSE, Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

PICTURES = """
import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import transforms

def picture(size=(6, 6), mode="RGB"):
    return Image.effect_noise(size, 60).convert(mode)

"""
# Each program has one mistake, in the line that is marked. Its rule, the kind, and the program.
BROKEN = {
    "getitem_without_return": (
        "sample_is_none",
        "none/dataset_returns_none",
        """
class Rows(Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, index):
        sample = images[index], labels[index]  # cause

for x, y in DataLoader(Rows(), batch_size=4):
    print(Net().eval()(x).shape)
""",
    ),
    "mirrored_arrays": (
        "array_with_negative_stride",
        "data/bgr_rgb",
        """
class Mirrored(Dataset):
    def __init__(self):
        self.pictures = images.numpy()

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        picture = self.pictures[index]
        if index % 2:
            picture = picture[..., ::-1]  # cause
        return torch.from_numpy(picture), labels[index]

for x, y in DataLoader(Mirrored(), batch_size=4):
    print(Net().eval()(x).shape)
""",
    ),
    "turned_arrays": (
        "array_with_negative_stride",
        "data/bgr_rgb",
        """
import numpy as np

def turned(picture):
    return np.rot90(picture, axes=(1, 2))  # cause

kept = [np.flip(one.numpy(), 1).copy() for one in images[:2]]
x = torch.stack([torch.as_tensor(turned(one)) for one in kept])
print(Net().eval()(x).shape)
""",
    ),
    "some_pictures_are_missing": (
        "sample_is_none",
        "none/dataset_returns_none",
        """
def read(number):
    return images[number] if number % 3 else None

class Pictures(Dataset):
    def __init__(self, numbers):
        self.pictures = [read(number) for number in numbers]  # cause

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.pictures[index]

for x in DataLoader(Pictures(range(8)), batch_size=2):
    print(Net().eval()(x).shape)
""",
    ),
    "pil_images": (
        "image_not_converted",
        "data/pil_not_tensor",
        """
class Pictures(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        image = picture()
        return image, int(labels[index])  # cause

for x, y in DataLoader(Pictures(), batch_size=2):
    print(Net().eval()(x).shape)
""",
    ),
    "resize_of_one_side": (
        "samples_of_unequal_size",
        "data/stack_unequal",
        """
class Pictures(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.transform(picture((10 + index, 12)))

steps = transforms.Compose([
    transforms.Resize(6),  # cause
    transforms.ToTensor(),
])
for x in DataLoader(Pictures(steps), batch_size=2):
    print(Net().eval()(x).shape)
""",
    ),
    "sequences_of_several_lengths": (
        "samples_of_unequal_size",
        "data/stack_unequal",
        """
class Sentences(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.arange(index + 2), labels[index]  # cause

for x, y in DataLoader(Sentences(), batch_size=2):
    print(x.shape)
""",
    ),
    "boxes_of_several_images": (
        "samples_of_unequal_size",
        "detection/collate_boxes",
        """
class Photos(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return images[index], {"boxes": torch.rand(index + 1, 4)}

for x, y in DataLoader(Photos(), batch_size=2):  # cause
    print(len(x))
""",
    ),
    "normalize_first": (
        "transform_order",
        "data/transform_order",
        """
preprocess = transforms.Compose(
    [
        transforms.Resize((6, 6)),
        transforms.Normalize((0.5,) * 3, (0.5,) * 3),  # cause
        transforms.ToTensor(),
    ]
)
print(Net().eval()(preprocess(picture()).unsqueeze(0)).shape)
""",
    ),
    "means_of_colors_for_grayscale": (
        "normalize_channels",
        "shape/channels_mismatch",
        """
preprocess = transforms.Compose([
    transforms.ToTensor(),
    transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),  # cause
])
print(preprocess(picture().convert("L")).shape)
""",
    ),
    "transparent_picture": (
        "normalize_channels",
        "shape/channels_mismatch",
        """
from torchvision.transforms import Compose, Normalize, ToTensor

class Photos(Dataset):
    def __init__(self):
        self.transform = Compose(
            [ToTensor(), Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]  # cause
        )

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.transform(picture().convert("RGBA")), 1

for x, y in DataLoader(Photos(), batch_size=2):
    print(x.shape)
""",
    ),
    "converted_twice": (
        "transform_order",
        "data/transform_order",
        """
def load(transform):
    image = transforms.functional.to_tensor(picture())  # cause
    return transform(image)

x = load(transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()]))
print(Net().eval()(x.unsqueeze(0)).shape)
""",
    ),
    "empty_folder": (
        "empty_dataset",
        "data/empty_dataset",
        """
import glob, tempfile

class Files(Dataset):
    def __init__(self, folder):
        self.files = glob.glob(folder + "/*.png")

    def __len__(self):
        return len(self.files)

with tempfile.TemporaryDirectory() as folder:
    files = Files(folder)  # cause
    loader = DataLoader(files, batch_size=2, shuffle=True)
""",
    ),
    "files_of_another_type": (
        "empty_dataset",
        "data/empty_dataset",
        """
import glob, pathlib, tempfile

class Files(Dataset):
    def __init__(self, folder):
        self.files = glob.glob(folder + "/*.png")  # cause

    def __len__(self):
        return len(self.files)

with tempfile.TemporaryDirectory() as folder:
    pathlib.Path(folder, "1.jpg").touch()
    loader = DataLoader(Files(folder), batch_size=2, shuffle=True)
""",
    ),
    "lambda_in_a_worker": (
        "not_picklable",
        "data/lambda_not_picklable",
        """
class Scaled(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.transform(images[index])

data = Scaled(lambda x: x / 2)  # cause
for x in DataLoader(data, batch_size=2, num_workers=1, multiprocessing_context="spawn"):
    print(x.shape)
""",
    ),
}
WITHOUT_FIX = {
    "transparent_picture",
    "sequences_of_several_lengths",
    "empty_folder",
    "files_of_another_type",
    "lambda_in_a_worker",
}
HEALTHY = {
    "one_mean_for_three_channels": """
print(transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])(picture()))
""",
    "collates_by_itself": """
from torch.nn.utils.rnn import pad_sequence

class Sentences(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.arange(index + 2)

for x in DataLoader(Sentences(), batch_size=2, collate_fn=pad_sequence):
    print(x.shape)
""",
    "skips_missing_pictures": """
def skip_missing(batch):
    return torch.stack([x for x in batch if x is not None])

class Pictures(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return images[index] if index % 3 else None

for x in DataLoader(Pictures(), batch_size=3, collate_fn=skip_missing):
    print(x.shape)
""",
}
OTHER = {
    "own_error": 'raise ValueError("num_samples is 0")',
    "missing_picture": 'Image.open("no/such/picture.png")',
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    programs = {name: text for name, (_, _, text) in BROKEN.items()} | HEALTHY | OTHER
    return judge(
        tmp_path_factory.mktemp("programs"), {name: PICTURES + p for name, p in programs.items()}
    )


@pytest.mark.parametrize("name", BROKEN)
def test_the_mistake_is_found_at_its_line(name: str, judged: Mapping[str, Judged]) -> None:
    rule, kind, _ = BROKEN[name]
    found = judged[name]
    assert found.raised
    assert not found.failed
    assert found.kinds[rule] == kind
    assert set(found.kinds.values()) == {kind}  # another rule may name the symptom
    assert CAUSE in found.rules[rule]


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in WITHOUT_FIX])
def test_the_first_fix_makes_the_program_run(name: str, judged: Mapping[str, Judged]) -> None:
    assert BROKEN[name][0] in judged[name].fixed


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()


@pytest.mark.parametrize("name", OTHER)
def test_other_failures_are_left_to_other_rules(name: str, judged: Mapping[str, Judged]) -> None:
    found = judged[name]
    assert found.raised
    assert not found.failed
    assert found.rules == {}
