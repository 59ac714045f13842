"""Rules about images that inference prepares in another way than the training."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
KINDS = {
    "channels_reversed_at_inference": "data/bgr_rgb",
    "transposed_at_inference": "data/reshape_instead_of_permute",
    "normalized_with_other_numbers": "data/normalize_range",
}
PROGRAM = """
import numpy as np
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

def imread(i):
    image = np.random.default_rng(i).integers(0, 90, (10, 10, 3)).astype(np.uint8)
    image[2:7, 3:8, i % 3] += 120
    return image

{before}

class Photos(Dataset):
    def __len__(self):
        return 24

    def __getitem__(self, i):
        image = imread(i)
        {read}

net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
net.append(nn.Linear(6, 3))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for _ in range(2):
    net.train()
    for x, y in DataLoader(Photos(), batch_size=8, shuffle=True):
        {change}
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
net.eval()

def predict(image):
    {prepare}
    with torch.no_grad():
        return net(x{batch}).argmax(1).item()

print(sum(predict({given}) == i % 3 for i in range(12)))
"""
RGB = "return torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1).float() / 255, i % 3"
AS_READ = "return torch.from_numpy(image).permute(2, 0, 1).float() / 255, i % 3"
TENSOR = "x = torch.from_numpy(image).permute(2, 0, 1).float() / 255{}"
REVERSED = "x = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1).float() / 255{}"
TWO = """training = T.Compose([T.ToTensor(), T.Normalize([0.4, 0.3, 0.2], [0.2, 0.3, 0.25])])
testing = T.Compose([T.ToTensor(), T.Normalize({numbers})]){mark}"""
SHIFT = "MEAN = torch.tensor([0.4, 0.3, 0.2])[:, None, None]\nSTD = 0.25"


def program(**parts: str) -> str:
    usual = {"before": "", "read": AS_READ, "change": "pass", "prepare": TENSOR.format("")}
    usual |= {"batch": "[None]", "given": "imread(i)"}
    return PROGRAM.format(**(usual | parts))


BROKEN = {
    "channels_reversed_at_inference": program(read=RGB, prepare=TENSOR.format(MARK)),
    "channels_reversed_at_inference.only_there": program(prepare=REVERSED.format(MARK)),
    "channels_reversed_at_inference.normalized": program(
        before=TWO.format(numbers="[0.4, 0.3, 0.2], [0.2, 0.3, 0.25]", mark=""),
        read="return training(image[:, :, ::-1].copy()), i % 3",
        prepare=f"x = training(image){MARK}",
    ),
    "channels_reversed_at_inference.indices": program(
        prepare=f"x = torch.from_numpy(image)\n    x = x[..., [2, 1, 0]]{MARK}\n"
        "    x = x.permute(2, 0, 1).float() / 255"
    ),
    "transposed_at_inference": program(
        prepare=f"x = torch.from_numpy(image).permute(2, 1, 0).float() / 255{MARK}"
    ),
    "transposed_at_inference.array": program(
        prepare=f"x = torch.from_numpy(image.T.copy()).float().div(255){MARK}"
    ),
    "transposed_at_inference.in_training": program(
        read="return torch.from_numpy(image).transpose(0, 2).float() / 255, i % 3",
        prepare=f"x = torch.from_numpy(image).permute(2, 0, 1).float() / 255{MARK}",
    ),
    "normalized_with_other_numbers": program(
        before=TWO.format(numbers="[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]", mark=MARK),
        read="return training(image), i % 3",
        prepare="x = testing(image)",
    ),
    "normalized_with_other_numbers.own_numbers": program(
        before=SHIFT,
        change="x = (x - MEAN) / STD",
        prepare="x = shifted(image)",
    ).replace(
        "def predict",
        "def shifted(image):\n"
        "    x = torch.from_numpy(image).permute(2, 0, 1).float() / 255\n"
        f"    return (x - 0.5) / STD{MARK}\n\ndef predict",
    ),
    "normalized_with_other_numbers.scaled": program(
        before=SHIFT,
        change="x = x / 0.5 - 1",
        prepare=f"x = torch.from_numpy(image).permute(2, 0, 1).float()\n    x = x / 127.5{MARK}",
    ),
}
HEALTHY = {
    "as_in_training": program(),
    "reversed_in_both": program(read=RGB, prepare=REVERSED.format("")),
    "reversed_by_the_reader": program(
        read=RGB, prepare=TENSOR.format(""), given="imread(i)[:, :, ::-1].copy()"
    ),
    "other_images": program(given="imread(i + 100)"),
    "other_images_reversed": program(prepare=REVERSED.format(""), given="imread(i + 100)"),
    "both_in_training": program(
        change="x = x.flip(1) if torch.rand(()) < 0.5 else x", prepare=REVERSED.format("")
    ),
    "gray": program(
        read=AS_READ.replace("image)", "image[..., [0, 0, 0]].copy())"),
        prepare=REVERSED.format("").replace("image[..., ::-1]", "image[..., [0, 0, 0]]"),
    ),
    "in_both_orders": program(
        prepare=TENSOR.format("") + "\n    x = torch.stack([x, x.flip(0)])",
        batch="",
    ).replace(".argmax(1)", ".mean(0, keepdim=True).argmax(1)"),
    "same_numbers": program(
        before=TWO.format(numbers="[0.4, 0.3, 0.2], [0.2, 0.3, 0.25]", mark=""),
        read="return training(image), i % 3",
        prepare="x = testing(image)",
    ),
    "same_numbers_by_hand": program(
        before=SHIFT,
        change="x = (x - MEAN) / STD",
        prepare=TENSOR.format("") + "\n    x = (x - MEAN) / STD",
    ),
    "brightness_in_training": program(
        change="x = x * (0.5 + torch.rand(len(x), 1, 1, 1))",
    ),
    "brighter_batches": program(change="x = x * (0.6 + 0.8 * torch.rand(()))"),
    "steps_of_one_image": program(
        given="imread(0)",
        prepare=TENSOR.format("")
        + "\n    x = torch.stack([x * s for s in torch.linspace(0.1, 0.9, 5)])",
        batch="",
    ).replace(".argmax(1).item()", ".argmax(1)[0].item()"),
    "own_statistics_of_each": program(
        prepare=TENSOR.format("") + "\n    x = (x - x.mean()) / x.std()",
        change="x = (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True)",
    ),
    "transposed_in_both": program(
        read="return torch.from_numpy(image).transpose(0, 2).float() / 255, i % 3",
        prepare="x = torch.from_numpy(image.T.copy()).float() / 255",
    ),
    "transposed_by_the_reader": program(
        prepare="x = torch.from_numpy(image.T.copy()).float() / 255",
        given="imread(i).transpose(1, 0, 2)",
    ),
    "transposed_augmentation": program(
        change="x = x.mT if torch.rand(()) < 0.5 else x",
        prepare="x = torch.from_numpy(image.T.copy()).float() / 255",
    ),
    "both_forms_at_inference": program(
        prepare=TENSOR.format("") + "\n    x = torch.stack([x, x.mT])", batch=""
    ).replace(".argmax(1)", ".mean(0, keepdim=True).argmax(1)"),
    "transposed_other_images": program(
        prepare="x = torch.from_numpy(image.T.copy()).float() / 255", given="imread(i + 60)"
    ),
    "flipped_images": program(prepare=TENSOR.format("") + "\n    x = x.flip(2)"),
}


class TestPrograms(ProgramChecks):
    pass
