"""Arrays that ToTensor does not scale, as they are not of 8 bits."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
BEFORE = """
import numpy as np
from torchvision import transforms
from torchvision.transforms import functional as TF

rng = np.random.default_rng(0)
pictures = rng.integers(0, 256, (12, 6, 6, 3)).astype(np.uint8)
preprocess = transforms.Compose([transforms.ToTensor(){normalize}])

def fit(net, read):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for step in range(3):
        x = torch.stack([read(one) for one in pictures[step * 4:step * 4 + 4]])
        optimizer.zero_grad()
        F.cross_entropy(net(x), labels[:4]).backward()
        optimizer.step()

net = Net()
"""
NORMALIZE = ", transforms.Normalize([0.45] * 3, [0.25] * 3)"
PREDICT = "net.eval()\nwith torch.no_grad():\n    print(net(x).argmax(1))\n"


def program(text: str, normalize: str = NORMALIZE) -> str:
    return BEFORE.format(normalize=normalize) + text


BROKEN = {
    "float_pixels_are_not_scaled": program(
        "fit(net, preprocess)\n"
        "def serve(request):\n"
        f"    pixels = np.array(request, dtype=np.float32){MARK}\n"
        "    return preprocess(pixels).unsqueeze(0)\n"
        "x = serve(pictures[0].tolist())\n" + PREDICT
    ),
    "float_pixels_are_not_scaled.returned": program(
        "fit(net, preprocess)\n"
        "def shrink(frame):\n"
        f"    return frame.reshape(6, 2, 6, 2, 3).mean((1, 3)){MARK}\n"
        "big = pictures.repeat(2, 1).repeat(2, 2)\n"
        "x = torch.stack([preprocess(shrink(one)) for one in big]).float()\n" + PREDICT
    ),
    "float_pixels_are_not_scaled.dataset": program(
        "class Pictures(torch.utils.data.Dataset):\n"
        "    def __init__(self, images):\n"
        f"        self.images = images.astype('float32'){MARK}\n\n"
        "    def __len__(self):\n        return len(self.images)\n\n"
        "    def __getitem__(self, i):\n        return preprocess(self.images[i]), labels[i]\n\n"
        "loader = torch.utils.data.DataLoader(Pictures(pictures), 4, shuffle=True)\n"
        "optimizer = torch.optim.SGD(net.parameters(), lr=0.01)\n"
        "for x, y in loader:\n"
        "    optimizer.zero_grad()\n    F.cross_entropy(net(x), y).backward()\n"
        "    optimizer.step()\n"
    ),
    "float_pixels_are_not_scaled.same_network": program(
        "fit(net, TF.to_tensor)\n"
        f"image = pictures[0] * np.linspace(0.8, 1, 6)[:, None, None]{MARK}\n"
        "x = TF.to_tensor(image).float()[None]\n" + PREDICT,
    ),
    "float_pixels_are_not_scaled.integers": program(
        "fit(net, preprocess)\n"
        f"frame = pictures[0].astype(int){MARK}\n"
        "x = ((TF.to_tensor(frame) - 0.45) / 0.25)[None]\n" + PREDICT,
    ),
    "float_pixels_are_not_scaled.functional": program(
        "def read(image):\n"
        "    t = TF.to_tensor(image)\n"
        "    return TF.normalize(t, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))\n\n"
        "fit(net, read)\n"
        f"frames = np.stack([one / 1.0 for one in pictures]){MARK}\n"
        "x = torch.stack([TF.normalize(TF.to_tensor(f), (0.5,) * 3, (0.2,) * 3) for f in frames])"
        ".float()\n" + PREDICT
    ),
}

SCALED = "fit(net, preprocess)\n"
HEALTHY = {
    "bytes": program(
        SCALED + "x = preprocess(np.array(pictures[0].tolist(), dtype=np.uint8))[None]\n" + PREDICT
    ),
    "shares": program(
        SCALED + "x = preprocess((pictures[0] / 255).astype(np.float32))[None]\n" + PREDICT
    ),
    "divided_later": program(
        "fit(net, lambda p: TF.to_tensor(p.astype(np.float32)) / 255)\n"
        "x = (TF.to_tensor(pictures[0].astype(np.float32)) / 255)[None]\n" + PREDICT
    ),
    "scaled_by_hand_then_normalized": program(
        "norm = transforms.Normalize([0.45] * 3, [0.25] * 3)\n"
        "fit(net, lambda p: norm(TF.to_tensor(p.astype(np.float32)).div(255)))\n"
    ),
    "mean_of_pixels": program(
        "norm = transforms.Normalize([120.0] * 3, [60.0] * 3)\n"
        "fit(net, lambda p: norm(TF.to_tensor(p.astype(np.float32))))\n"
    ),
    "heights": program(
        "relief = rng.uniform(0, 240, (12, 6, 6)).astype(np.float32)\n"
        "heights = torch.stack([TF.to_tensor(one) for one in relief])\n"
        "fit(net, preprocess)\nprint(heights.mean())\n"
    ),
    "heights_as_targets": program(
        "dense = nn.Conv2d(3, 1, 1)\n"
        "relief = rng.uniform(0, 240, (6, 6)).astype(np.float32)\n"
        "x, y = preprocess(pictures[0])[None], TF.to_tensor(relief)[None]\n"
        "F.l1_loss(dense(x), y).backward()\n"
    ),
    "spectra": program(
        "dense = nn.Conv2d(1, 2, 1)\n"
        "spectrum = rng.exponential(60, (6, 6)).clip(0, 250)\n"
        "x = TF.to_tensor(spectrum).float()[None]\n"
        "dense(x / x.amax()).sum().backward()\n"
    ),
    "mask": program(
        "mask = (rng.random((6, 6)) > 0.5) * 255.0\n"
        "fit(net, preprocess)\nprint((TF.to_tensor(mask) > 127).float().mean())\n"
    ),
    "other_network": program(
        "fit(net, preprocess)\ncrude = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 3))\n"
        "crude(TF.to_tensor(pictures[0].astype(np.float32))[None]).sum().backward()\n"
    ),
    "picture_of_pil": program(
        "from PIL import Image\nfit(net, preprocess)\n"
        "x = preprocess(Image.fromarray(pictures[0]))[None]\n" + PREDICT
    ),
    "version_2": program(
        "from torchvision.transforms import v2\n"
        "read = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True),\n"
        "                   v2.Normalize([0.45] * 3, [0.25] * 3)])\n"
        "fit(net, read)\nx = read(pictures[0])[None]\n" + PREDICT
    ),
}
BROKEN["float_pixels_are_not_scaled.version_2"] = program(
    "from torchvision.transforms import v2\n"
    "read = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True),\n"
    "                   v2.Normalize([0.45] * 3, [0.25] * 3)])\n"
    "fit(net, read)\n"
    f"frame = np.asarray(pictures[0], dtype=np.float32){MARK}\n"
    "x = read(frame)[None]\n" + PREDICT
)
KINDS = {"float_pixels_are_not_scaled": "data/normalize_range"}


class TestPrograms(ProgramChecks):
    pass
