"""What the pages of shape say about PyTorch, one claim a line: a truth, or a call and its refusal."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
import re, warnings
import numpy as np, torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.functional import to_tensor
import sys, importlib.util


def load(tree, id):
    spec = importlib.util.spec_from_file_location(
        id.replace("/", "_") + tree, f"{ROOT}/{tree}/{id}.py"
    )
    m = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(m)
    return m


def x(*s):
    return torch.randn(*s)


def warned(f):
    with warnings.catch_warnings(record=True) as w:
        warnings.simplefilter("always")
        try:
            f()
            raised = False
        except RuntimeError:
            raised = True
    return raised, [str(a.message) for a in w]


torch.manual_seed(0)
bn = nn.BatchNorm2d
CLAIMS = {
    "shape/grey_scans_into_a_colour_net: a two-dimensional uint8 array becomes a grey image of one channel": lambda: (
        to_tensor(Image.fromarray(np.zeros((8, 8), np.uint8))).shape == (1, 8, 8)
    ),
    "shape/grey_scans_into_a_colour_net: convert('RGB') gives three equal channels": lambda: (
        lambda t: t.shape == (3, 8, 8) and torch.equal(t[0], t[1]) and torch.equal(t[1], t[2])
    )(
        to_tensor(
            Image.fromarray(np.random.randint(256, size=(8, 8), dtype=np.uint8)).convert("RGB")
        )
    ),
    "shape/grey_scans_into_a_colour_net: convert('RGB') takes an alpha channel away": lambda: (
        (
            to_tensor(Image.new("RGBA", (8, 8))).shape[0],
            to_tensor(Image.new("RGBA", (8, 8)).convert("RGB")).shape[0],
        )
        == (4, 3)
    ),
    "shape/grey_scans_into_a_colour_net: a colour image with batch and channels swapped raises the same words": (
        lambda: nn.Conv2d(3, 8, 3)(torch.randn(1, 3, 8, 8).transpose(0, 1)),
        r"expected input\[3, 1, 8, 8\] to have 3 channels, but got 1 channels instead",
    ),
    "shape/skip_of_an_odd_image: output_size may be 14 or 15 here, nothing else": lambda: (
        [
            nn.ConvTranspose2d(16, 8, 2, stride=2)(
                torch.randn(1, 16, 7, 7), output_size=(n, n)
            ).shape[-1]
            for n in (14, 15)
        ]
        == [14, 15]
    ),
    "shape/skip_of_an_odd_image: output_size 16 is refused": (
        lambda: nn.ConvTranspose2d(16, 8, 2, stride=2)(
            torch.randn(1, 16, 7, 7), output_size=(16, 16)
        ),
        r"valid sizes range from \[14, 14\] to \[15, 15\]",
    ),
    "shape/skip_of_an_odd_image: tensor number 0 is the first of the list": (
        lambda: torch.cat([torch.zeros(1, 1, 14), torch.zeros(1, 1, 15)], dim=1),
        r"Expected size 14 but got size 15 for tensor number 1 in the list",
    ),
    "shape/decoder_larger_than_its_image: mse_loss warns, and where sizes broadcast it only warns": lambda: (
        (lambda r: (not r[0]) and len(r[1]) == 1)(
            warned(lambda: F.mse_loss(torch.zeros(4, 3, 1, 1), torch.zeros(4, 3, 15, 15)))
        )
    ),
    "shape/decoder_larger_than_its_image: a stride of 2 turns 15 and 16 into 8": lambda: (
        [
            nn.Conv2d(3, 8, 3, stride=2, padding=1)(torch.zeros(1, 3, n, n)).shape[-1]
            for n in (15, 16)
        ]
        == [8, 8]
    ),
    "shape/view_after_permute: permute moves no value": lambda: (
        lambda t: (
            t.permute(0, 3, 1, 2).data_ptr() == t.data_ptr()
            and not t.permute(0, 3, 1, 2).is_contiguous()
        )
    )(torch.randn(4, 6, 6, 8)),
    "shape/view_after_permute: reshape, flatten and contiguous().view give the same values": lambda: (
        (
            lambda t: (
                torch.equal(t.reshape(4, -1), t.flatten(1))
                and torch.equal(t.reshape(4, -1), t.contiguous().view(4, -1))
            )
        )(torch.randn(4, 6, 6, 8).permute(0, 3, 1, 2))
    ),
    "shape/view_after_permute: without the second permute view runs, with the features in another order": lambda: (
        (
            lambda t: (
                t.view(4, -1).shape == (4, 288)
                and not torch.equal(t.view(4, -1), t.permute(0, 3, 1, 2).reshape(4, -1))
            )
        )(torch.randn(4, 6, 6, 8))
    ),
    "shape/view_after_permute: the channels_last memory format does it too": (
        lambda: nn.Conv2d(3, 8, 3)(
            torch.randn(4, 3, 8, 8).to(memory_format=torch.channels_last)
        ).view(4, -1),
        r"view size is not compatible",
    ),
    "shape/width_that_groups_cannot_share: the layer after it would have said in_channels": (
        lambda: nn.Conv2d(6, 24, 1, groups=4),
        r"in_channels must be divisible by groups",
    ),
    "shape/width_that_groups_cannot_share: 2, 3 and 6 groups divide both": lambda: (
        [g for g in range(1, 25) if 24 % g == 0 and 6 % g == 0 and nn.Conv2d(24, 6, 1, groups=g)]
        == [1, 2, 3, 6]
    ),
    "shape/signals_one_pixel_high: a bare squeeze removes the batch of one too, and Conv1d runs": lambda: (
        nn.Conv1d(6, 8, 5)(torch.randn(1, 6, 1, 32).squeeze()).shape == (8, 28)
    ),
    "shape/conv2d_for_videos: view(-1, 3, 8, 8) runs and its pictures are no frames": lambda: (
        lambda t: (
            nn.Conv2d(3, 8, 3)(t.view(-1, 3, 8, 8)).shape == (20, 8, 6, 6)
            and not torch.equal(t.view(-1, 3, 8, 8)[0], t[0, :, 0])
            and torch.equal(t.view(-1, 3, 8, 8)[0], t[0, 0, :3])
        )
    )(torch.randn(4, 3, 5, 8, 8)),
    "shape/conv2d_for_videos: swapping the axes first gives the frames": lambda: (
        lambda t: torch.equal(t.transpose(1, 2).flatten(0, 1)[1], t[0, :, 1])
    )(torch.randn(4, 3, 5, 8, 8)),
    "shape/batch_dimension_added_twice: squeeze takes both ones of a batch of one": lambda: (
        nn.Conv2d(3, 8, 3)(torch.rand(1, 1, 3, 8, 8).squeeze()).shape == (8, 6, 6)
    ),
    "shape/batch_dimension_added_twice: a DataLoader adds the batch dimension": lambda: (
        next(iter(torch.utils.data.DataLoader([torch.rand(1, 3, 8, 8)] * 4, batch_size=4))).shape
        == (4, 1, 3, 8, 8)
    ),
    "shape/output_padding_without_a_stride: with a stride of 2, 15 without and 16 with it": lambda: (
        [
            nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=p)(
                torch.zeros(1, 8, 8, 8)
            ).shape[-1]
            for p in (0, 1)
        ]
        == [15, 16]
    ),
    "shape/output_padding_without_a_stride: the layer is built without complaint": lambda: (
        isinstance(nn.ConvTranspose2d(8, 3, 3, stride=1, padding=1, output_padding=1), nn.Module)
    ),
    "shape/output_padding_without_a_stride: a dilation of 2 permits it with a stride of 1": lambda: (
        nn.ConvTranspose2d(8, 3, 3, stride=1, output_padding=1, dilation=2)(
            torch.zeros(1, 8, 8, 8)
        ).shape[-1]
        == 13
    ),
    "shape/output_padding_without_a_stride: Conv of stride 2 takes 15 and 16 to the same size": lambda: (
        len(
            {
                nn.Conv2d(3, 8, 3, stride=2, padding=1)(torch.zeros(1, 3, n, n)).shape
                for n in (15, 16)
            }
        )
        == 1
    ),
    "shape/kernel_larger_than_its_map: padding=1 silences it; 12 of the 16 values are zeros": lambda: (
        nn.Conv2d(32, 1, 4, padding=1)(torch.zeros(1, 32, 2, 2)).shape == (1, 1, 1, 1)
        and int((F.pad(torch.ones(2, 2), (1, 1, 1, 1)) == 0).sum()) == 12
    ),
    "shape/map_pooled_to_nothing: adaptive pooling to 1 is the mean": lambda: (
        lambda t: torch.allclose(
            F.adaptive_avg_pool2d(t, 1), t.mean(dim=(2, 3), keepdim=True), atol=1e-6
        )
    )(torch.randn(4, 16, 4, 4)),
    "shape/map_pooled_to_nothing: padding=3 silences it and divides by 49": lambda: (
        lambda t: torch.allclose(
            F.avg_pool2d(t, 7, padding=3), t.sum(dim=(2, 3), keepdim=True) / 49, atol=1e-6
        )
    )(torch.randn(4, 16, 4, 4)),
    "shape/map_pooled_to_nothing: max pooling says the same": (
        lambda: F.max_pool2d(torch.randn(4, 16, 1, 1), 2),
        r"Calculated output size: \(16x0x0\)\. Output size is too small",
    ),
    "shape/batchnorm_for_other_channels: the same in eval mode": (
        lambda: nn.BatchNorm2d(16).eval()(torch.randn(4, 8, 4, 4)),
        r"running_mean should contain 8 elements not 16",
    ),
    "shape/batchnorm_for_other_channels: without running statistics the weight is named instead": (
        lambda: nn.BatchNorm2d(16, track_running_stats=False)(torch.randn(4, 8, 4, 4)),
        r"weight should contain 8 elements not 16",
    ),
    "shape/layer_name_given_twice: four layers are left of five, the norm is the second one": lambda: (
        (lambda n: len(list(n.children())) == 4 and isinstance(n.norm, nn.BatchNorm1d))(
            load("cases", "shape/layer_name_given_twice").Net()
        )
    ),
    "shape/layer_name_given_twice: the printed network shows one norm, in the place of the first": lambda: (
        [name for name, _ in load("cases", "shape/layer_name_given_twice").Net().named_children()]
        == ["conv", "norm", "fc", "head"]
    ),
    "shape/batchnorm_over_positions: with as many positions as channels it runs": lambda: (
        nn.BatchNorm1d(8)(torch.randn(4, 8, 8)).shape == (4, 8, 8)
    ),
    "shape/batchnorm_over_positions: LayerNorm takes the last dimension": lambda: (
        nn.LayerNorm(8)(torch.randn(4, 36, 8)).shape == (4, 36, 8)
    ),
    "shape/fractional_padding: the layer is built without complaint": lambda: (
        nn.Conv2d(3, 8, 5, padding=5 / 2).padding == (2.5, 2.5)
    ),
    "shape/fractional_padding: a whole float is refused too": (
        lambda: nn.Conv2d(3, 8, 4, padding=4 / 2)(torch.randn(4, 3, 8, 8)),
        r"!tuple of \(float, float\)!",
    ),
    "shape/fractional_padding: int(kernel_size / 2) is the same number": lambda: all(
        int(k / 2) == k // 2 for k in range(100)
    ),
    "shape/fractional_padding: half the kernel keeps the size for odd kernels only": lambda: (
        [nn.Conv2d(3, 8, k, padding=k // 2)(torch.zeros(1, 3, 8, 8)).shape[-1] for k in (3, 4, 5)]
        == [8, 9, 8]
    ),
    "shape/fractional_channels: a whole float is refused too": (
        lambda: nn.Conv2d(16, 8.0, 1),
        r"must be tuple of ints, but found element of type float at pos 0",
    ),
    "shape/fractional_channels: in the place of in_channels the wording differs": (
        lambda: nn.Conv2d(8.0, 16, 1),
        r"type must be tuple of ints,but got float",
    ),
    "shape/fractional_channels: 16 / 2 is a float": lambda: isinstance(16 / 2, float),
    "shape/padding_given_as_a_bool: True equals 1, and the layer is built without complaint": lambda: (
        True == 1 and nn.Conv2d(3, 8, 3, padding=True).padding == (True, True)
    ),
    "shape/padding_given_as_a_bool: False is refused too": (
        lambda: nn.Conv2d(3, 8, 3, padding=False)(torch.randn(4, 3, 8, 8)),
        r"!tuple of \(bool, bool\)!",
    ),
    "shape/padding_given_as_a_bool: bias=False alone works, so NoneType is innocent": lambda: (
        nn.Conv2d(3, 8, 3, padding=1, bias=False)(torch.randn(4, 3, 8, 8)).shape == (4, 8, 8, 8)
    ),
    "shape/groups_in_the_place_of_dilation: a larger image runs, and shrinks": lambda: (
        nn.Conv2d(8, 8, 3, 1, 1, 8)(torch.zeros(1, 8, 32, 32)).shape == (1, 8, 18, 18)
    ),
    "shape/groups_in_the_place_of_dilation: the weight tells": lambda: (
        (
            nn.Conv2d(8, 8, 3, 1, 1, 8).weight.shape[1],
            nn.Conv2d(8, 8, 3, 1, 1, groups=8).weight.shape[1],
        )
        == (8, 1)
    ),
    "shape/groups_in_the_place_of_dilation: the order of the arguments": lambda: (
        list(__import__("inspect").signature(nn.Conv2d).parameters)[:8]
        == [
            "in_channels",
            "out_channels",
            "kernel_size",
            "stride",
            "padding",
            "dilation",
            "groups",
            "bias",
        ]
    ),
    "shape/unflattened_map: Linear(6, 10) runs on the map": lambda: (
        nn.Linear(6, 10)(torch.zeros(4, 8, 6, 6)).shape == (4, 8, 6, 10)
    ),
    "shape/same_padding_with_a_stride: without a stride it works": lambda: (
        nn.Conv2d(3, 8, 3, padding="same")(torch.zeros(1, 3, 8, 8)).shape[-1] == 8
    ),
    "shape/same_padding_with_a_stride: padding='valid' gives 3 of 8 pixels, padding=1 gives 4": lambda: (
        [
            nn.Conv2d(3, 8, 3, stride=2, padding=p)(torch.zeros(1, 3, 8, 8)).shape[-1]
            for p in ("valid", 1)
        ]
        == [3, 4]
    ),
    "shape/shortcut_without_the_stride: the last differing dimension is named, though 2 differs as well": (
        lambda: torch.zeros(4, 8, 4, 4) + torch.zeros(4, 8, 8, 8),
        r"tensor a \(4\) must match the size of tensor b \(8\) at non-singleton dimension 3",
    ),
    "shape/shortcut_without_the_stride: with a convolution in the shortcut the block works": lambda: (
        load("cases", "shape/shortcut_without_the_stride")
        .Block(8, 16, stride=2)(torch.zeros(1, 8, 8, 8))
        .shape
        == (1, 16, 4, 4)
    ),
    "shape/branches_joined_along_the_batch: dim of cat is 0 unless said": lambda: (
        torch.cat([torch.zeros(4, 8)] * 3).shape == (12, 8)
    ),
    "shape/branches_joined_along_the_batch: Linear(8, 10) would run and give 12 rows": lambda: (
        nn.Linear(8, 10)(torch.cat([torch.zeros(4, 8)] * 3)).shape == (12, 10)
    ),
    "shape/linear_for_another_pool: the 64 do not depend on the image": lambda: (
        {
            load("cases", "shape/linear_for_another_pool")
            .Net()
            .pool(torch.zeros(1, 16, h, w))
            .numel()
            for h, w in ((22, 30), (9, 5), (1, 1))
        }
        == {64}
    ),
    "shape/view_of_a_size_that_cannot_be: 25 images give 9 rows, without complaint": lambda: (
        torch.zeros(25, 16, 3, 3).view(-1, 400).shape == (9, 400)
    ),
    "shape/view_of_a_size_that_cannot_be: reshape says the same": (
        lambda: torch.zeros(4, 16, 3, 3).reshape(-1, 400),
        r"shape '\[-1, 400\]' is invalid for input of size 576",
    ),
    "shape/conv3d_for_images: a batch of 3 passes the Conv3d": lambda: (
        nn.Conv3d(3, 8, 3, padding=1)(torch.zeros(3, 3, 8, 8)).shape == (8, 3, 8, 8)
    ),
    "shape/conv3d_for_images: in_channels=4 runs for a batch of 4, and gives no batch": lambda: (
        nn.Conv3d(4, 8, 3, padding=1)(torch.zeros(4, 3, 8, 8)).shape == (8, 3, 8, 8)
    ),
    "shape/head_without_a_linear: a 1x1 convolution and a mean equal a mean and a Linear": lambda: (
        lambda t, c: torch.allclose(
            c(t).mean(dim=(2, 3)),
            F.linear(t.mean(dim=(2, 3)), c.weight.flatten(1), c.bias),
            atol=1e-5,
        )
    )(torch.randn(4, 8, 7, 12), nn.Conv2d(8, 10, 1)),
    "shape/weights_of_one_pixel: expanding by hand gives the same": lambda: (
        lambda t, w: torch.equal(t * w, t * w.expand_as(t))
    )(torch.randn(4, 8, 6, 6), torch.rand(4, 8, 1, 1)),
    "shape/weights_of_one_pixel: without the ones it is refused": (
        lambda: torch.randn(4, 8, 6, 6) * torch.rand(4, 8),
        r"must match the size of tensor b \(8\) at non-singleton dimension 3",
    ),
    "shape/linear_after_adaptive_pool: a map of 3 by 21 becomes 4 by 4": lambda: (
        nn.AdaptiveAvgPool2d((4, 4))(torch.randn(1, 8, 3, 21)).shape == (1, 8, 4, 4)
    ),
    "shape/linear_after_adaptive_pool: 4 rows out of 3 overlap": lambda: (
        F.adaptive_avg_pool2d(torch.tensor([[[0.0], [1.0], [2.0]]]), (4, 1)).flatten().tolist()
        == [0.0, 0.5, 1.5, 2.0]
    ),
    "shape/one_group_per_channel: 3 groups give 12 channels with 4 filters each, 5 are refused": (
        lambda: nn.Conv2d(3, 5, 3, groups=3),
        r"out_channels must be divisible by groups",
    ),
    "shape/one_group_per_channel: the weight is 12 x 1 x 3 x 3": lambda: (
        nn.Conv2d(3, 12, 3, groups=3).weight.shape == (12, 1, 3, 3)
    ),
    "shape/one_group_per_channel: output channels 0 to 3 see the first colour only": lambda: (
        lambda c, t, u: (
            torch.equal(c(t)[:, :4], c(u)[:, :4]) and not torch.equal(c(t)[:, 4:], c(u)[:, 4:])
        )
    )(
        nn.Conv2d(3, 12, 3, groups=3),
        *(lambda t: (t, torch.cat([t[:, :1], torch.randn(1, 2, 8, 8)], dim=1)))(
            torch.randn(1, 3, 8, 8)
        ),
    ),
    "shape/odd_image_through_a_unet: the interpolation changes 7 by 8 into 15 by 17": lambda: (
        F.interpolate(torch.zeros(1, 8, 7, 8), size=(15, 17)).shape == (1, 8, 15, 17)
    ),
    "shape/odd_image_through_a_unet: scale_factor=2 would give 14 by 16": lambda: (
        F.interpolate(torch.zeros(1, 8, 7, 8), scale_factor=2).shape == (1, 8, 14, 16)
    ),
    "shape/grey_scans_into_a_colour_net: the mode is L": lambda: (
        Image.fromarray(np.zeros((8, 8), np.uint8)).mode == "L"
    ),
    "shape/decoder_larger_than_its_image: mse_loss warns before it raises": lambda: (
        lambda r: r[0] and len(r[1]) == 1 and "target size" in r[1][0]
    )(warned(lambda: F.mse_loss(torch.zeros(4, 3, 16, 16), torch.zeros(4, 3, 15, 15)))),
    "shape/output_padding_without_a_stride: an output_padding as large as the stride is refused too": (
        lambda: nn.ConvTranspose2d(8, 3, 3, stride=2, output_padding=2)(torch.zeros(1, 8, 4, 4)),
        r"output padding must be smaller than either stride or dilation, but got output_padding_height: 2",
    ),
    "shape/layer_name_given_twice: a BatchNorm2d(32) there only changes the message": (
        lambda: nn.BatchNorm2d(32)(torch.zeros(4, 8, 6, 6)),
        r"running_mean should contain 8 elements not 32",
    ),
    "shape/batchnorm_over_positions: BatchNorm1d(36) runs": lambda: (
        nn.BatchNorm1d(36)(torch.randn(4, 36, 8)).shape == (4, 36, 8)
    ),
    "shape/fractional_channels: a float stride is stored, and refused on the first image": (
        lambda: (
            lambda layer: layer(torch.zeros(1, 3, 8, 8)) if layer.stride == (1.5, 1.5) else None
        )(nn.Conv2d(3, 8, 3, stride=1.5)),
        r"!tuple of \(float, float\)!",
    ),
    "shape/fractional_channels: a float kernel size is refused when the layer is built": (
        lambda: nn.Conv2d(3, 8, 3.0),
        r"empty\(\)",
    ),
    "shape/padding_given_as_a_bool: with a bias the message shows a Parameter in the place of NoneType": (
        lambda: nn.Conv2d(3, 8, 3, padding=True)(torch.randn(4, 3, 8, 8)),
        r"got \(Tensor, Parameter, Parameter, tuple, tuple, tuple, int\)",
    ),
    "shape/shortcut_without_the_stride: an odd size is rounded up by the one and down by the other": lambda: (
        (
            nn.Conv2d(3, 3, 3, stride=2, padding=1)(torch.zeros(1, 3, 15, 15)).shape[-1],
            F.avg_pool2d(torch.zeros(1, 3, 15, 15), 2).shape[-1],
        )
        == (8, 7)
    ),
    "shape/conv3d_for_images: a batch of 3 fails in the Linear": (
        lambda: load("cases", "shape/conv3d_for_images").Net()(torch.zeros(3, 3, 8, 8)),
        r"mat1 and mat2 shapes cannot be multiplied \(8x192 and 512x10\)",
    ),
    "shape/view_of_a_size_that_cannot_be: 32 pixels leave 16 x 5 x 5": lambda: (
        lambda n, t: F.max_pool2d(n.conv2(F.max_pool2d(n.conv1(t), 2)), 2).shape == (1, 16, 5, 5)
    )(load("cases", "shape/view_of_a_size_that_cannot_be").Net(), torch.zeros(1, 3, 32, 32)),
    "shape/kernel_larger_than_its_map: images of 32 pixels pass": lambda: (
        load("cases", "shape/kernel_larger_than_its_map").Net()(torch.zeros(1, 3, 32, 32)).shape
        == (1, 1)
    ),
    "shape/map_pooled_to_nothing: a last map of 7 x 7 for 224 pixels": lambda: (
        __import__("torchvision").models.resnet18(weights=None).eval()
        and nn.Sequential(
            *list(__import__("torchvision").models.resnet18(weights=None).children())[:-2]
        )
        .eval()(torch.zeros(1, 3, 224, 224))
        .shape[2:]
        == (7, 7)
    ),
    "shape/width_that_groups_cannot_share: groups=24 divides 24, not 6": (
        lambda: nn.Conv2d(24, 6, 1, groups=24),
        r"out_channels must be divisible by groups",
    ),
    "batch/score_without_its_batch: four photos keep their dimension, one loses it": lambda: (
        (torch.rand(4, 1).squeeze().shape, torch.rand(1, 1).squeeze().shape) == ((4,), ())
    ),
    "batch/score_without_its_batch: a score without dimensions cannot be iterated over": (
        lambda: list(torch.rand(1, 1).squeeze()),
        r"iteration over a 0-d tensor",
    ),
    "batch/score_without_its_batch: reshape(-1) hides that there were two numbers for a photo": lambda: (
        torch.rand(1, 2).squeeze().reshape(-1).shape == (2,)
    ),
}
