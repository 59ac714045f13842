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
    "shape/grayscale_into_rgb_network: a two-dimensional uint8 array becomes a grey image of one channel": lambda: (
        to_tensor(Image.fromarray(np.zeros((8, 8), np.uint8))).shape == (1, 8, 8)
    ),
    "shape/grayscale_into_rgb_network: convert('RGB') gives three equal channels": lambda: (
        lambda t: t.shape == (3, 8, 8) and torch.equal(t[0], t[1]) and torch.equal(t[1], t[2])
    )(
        to_tensor(
            Image.fromarray(np.random.randint(256, size=(8, 8), dtype=np.uint8)).convert("RGB")
        )
    ),
    "shape/grayscale_into_rgb_network: convert('RGB') takes an alpha channel away": lambda: (
        (
            to_tensor(Image.new("RGBA", (8, 8))).shape[0],
            to_tensor(Image.new("RGBA", (8, 8)).convert("RGB")).shape[0],
        )
        == (4, 3)
    ),
    "shape/grayscale_into_rgb_network: a colour image with batch and channels swapped raises the same words": (
        lambda: nn.Conv2d(3, 8, 3)(torch.randn(1, 3, 8, 8).transpose(0, 1)),
        r"expected input\[3, 1, 8, 8\] to have 3 channels, but got 1 channels instead",
    ),
    "shape/unet_skip_odd_size: output_size may be 14 or 15 here, nothing else": lambda: (
        [
            nn.ConvTranspose2d(16, 8, 2, stride=2)(
                torch.randn(1, 16, 7, 7), output_size=(n, n)
            ).shape[-1]
            for n in (14, 15)
        ]
        == [14, 15]
    ),
    "shape/unet_skip_odd_size: output_size 16 is refused": (
        lambda: nn.ConvTranspose2d(16, 8, 2, stride=2)(
            torch.randn(1, 16, 7, 7), output_size=(16, 16)
        ),
        r"valid sizes range from \[14, 14\] to \[15, 15\]",
    ),
    "shape/unet_skip_odd_size: tensor number 0 is the first of the list": (
        lambda: torch.cat([torch.zeros(1, 1, 14), torch.zeros(1, 1, 15)], dim=1),
        r"Expected size 14 but got size 15 for tensor number 1 in the list",
    ),
    "shape/decoder_output_size_mismatch: mse_loss warns, and where sizes broadcast it only warns": lambda: (
        (lambda r: (not r[0]) and len(r[1]) == 1)(
            warned(lambda: F.mse_loss(torch.zeros(4, 3, 1, 1), torch.zeros(4, 3, 15, 15)))
        )
    ),
    "shape/decoder_output_size_mismatch: a stride of 2 turns 15 and 16 into 8": lambda: (
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
    "shape/groups_not_dividing_channels: the layer after it would have said in_channels": (
        lambda: nn.Conv2d(6, 24, 1, groups=4),
        r"in_channels must be divisible by groups",
    ),
    "shape/groups_not_dividing_channels: 2, 3 and 6 groups divide both": lambda: (
        [g for g in range(1, 25) if 24 % g == 0 and 6 % g == 0 and nn.Conv2d(24, 6, 1, groups=g)]
        == [1, 2, 3, 6]
    ),
    "shape/conv1d_4d_input: a bare squeeze removes the batch of one too, and Conv1d runs": lambda: (
        nn.Conv1d(6, 8, 5)(torch.randn(1, 6, 1, 32).squeeze()).shape == (8, 28)
    ),
    "shape/video_into_conv2d: view(-1, 3, 8, 8) runs and its pictures are no frames": lambda: (
        lambda t: (
            nn.Conv2d(3, 8, 3)(t.view(-1, 3, 8, 8)).shape == (20, 8, 6, 6)
            and not torch.equal(t.view(-1, 3, 8, 8)[0], t[0, :, 0])
            and torch.equal(t.view(-1, 3, 8, 8)[0], t[0, 0, :3])
        )
    )(torch.randn(4, 3, 5, 8, 8)),
    "shape/video_into_conv2d: swapping the axes first gives the frames": lambda: (
        lambda t: torch.equal(t.transpose(1, 2).flatten(0, 1)[1], t[0, :, 1])
    )(torch.randn(4, 3, 5, 8, 8)),
    "shape/extra_batch_dimension: squeeze takes both ones of a batch of one": lambda: (
        nn.Conv2d(3, 8, 3)(torch.rand(1, 1, 3, 8, 8).squeeze()).shape == (8, 6, 6)
    ),
    "shape/extra_batch_dimension: a DataLoader adds the batch dimension": lambda: (
        next(iter(torch.utils.data.DataLoader([torch.rand(1, 3, 8, 8)] * 4, batch_size=4))).shape
        == (4, 1, 3, 8, 8)
    ),
    "shape/output_padding_without_stride: with a stride of 2, 15 without and 16 with it": lambda: (
        [
            nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=p)(
                torch.zeros(1, 8, 8, 8)
            ).shape[-1]
            for p in (0, 1)
        ]
        == [15, 16]
    ),
    "shape/output_padding_without_stride: the layer is built without complaint": lambda: isinstance(
        nn.ConvTranspose2d(8, 3, 3, stride=1, padding=1, output_padding=1), nn.Module
    ),
    "shape/output_padding_without_stride: a dilation of 2 permits it with a stride of 1": lambda: (
        nn.ConvTranspose2d(8, 3, 3, stride=1, output_padding=1, dilation=2)(
            torch.zeros(1, 8, 8, 8)
        ).shape[-1]
        == 13
    ),
    "shape/output_padding_without_stride: Conv of stride 2 takes 15 and 16 to the same size": lambda: (
        len(
            {
                nn.Conv2d(3, 8, 3, stride=2, padding=1)(torch.zeros(1, 3, n, n)).shape
                for n in (15, 16)
            }
        )
        == 1
    ),
    "shape/kernel_larger_than_input: padding=1 silences it; 12 of the 16 values are zeros": lambda: (
        nn.Conv2d(32, 1, 4, padding=1)(torch.zeros(1, 32, 2, 2)).shape == (1, 1, 1, 1)
        and int((F.pad(torch.ones(2, 2), (1, 1, 1, 1)) == 0).sum()) == 12
    ),
    "shape/pool_output_size_zero: adaptive pooling to 1 is the mean": lambda: (
        lambda t: torch.allclose(
            F.adaptive_avg_pool2d(t, 1), t.mean(dim=(2, 3), keepdim=True), atol=1e-6
        )
    )(torch.randn(4, 16, 4, 4)),
    "shape/pool_output_size_zero: padding=3 silences it and divides by 49": lambda: (
        lambda t: torch.allclose(
            F.avg_pool2d(t, 7, padding=3), t.sum(dim=(2, 3), keepdim=True) / 49, atol=1e-6
        )
    )(torch.randn(4, 16, 4, 4)),
    "shape/pool_output_size_zero: max pooling says the same": (
        lambda: F.max_pool2d(torch.randn(4, 16, 1, 1), 2),
        r"Calculated output size: \(16x0x0\)\. Output size is too small",
    ),
    "shape/batchnorm_channel_mismatch: the same in eval mode": (
        lambda: nn.BatchNorm2d(16).eval()(torch.randn(4, 8, 4, 4)),
        r"running_mean should contain 8 elements not 16",
    ),
    "shape/batchnorm_channel_mismatch: without running statistics the weight is named instead": (
        lambda: nn.BatchNorm2d(16, track_running_stats=False)(torch.randn(4, 8, 4, 4)),
        r"weight should contain 8 elements not 16",
    ),
    "shape/duplicate_layer_name: four layers are left of five, the norm is the second one": lambda: (
        (lambda n: len(list(n.children())) == 4 and isinstance(n.norm, nn.BatchNorm1d))(
            load("cases", "shape/duplicate_layer_name").Net()
        )
    ),
    "shape/duplicate_layer_name: the printed network shows one norm, in the place of the first": lambda: (
        [name for name, _ in load("cases", "shape/duplicate_layer_name").Net().named_children()]
        == ["conv", "norm", "fc", "head"]
    ),
    "shape/batchnorm1d_wrong_axis: with as many positions as channels it runs": lambda: (
        nn.BatchNorm1d(8)(torch.randn(4, 8, 8)).shape == (4, 8, 8)
    ),
    "shape/batchnorm1d_wrong_axis: LayerNorm takes the last dimension": lambda: (
        nn.LayerNorm(8)(torch.randn(4, 36, 8)).shape == (4, 36, 8)
    ),
    "shape/float_padding: the layer is built without complaint": lambda: (
        nn.Conv2d(3, 8, 5, padding=5 / 2).padding == (2.5, 2.5)
    ),
    "shape/float_padding: a whole float is refused too": (
        lambda: nn.Conv2d(3, 8, 4, padding=4 / 2)(torch.randn(4, 3, 8, 8)),
        r"!tuple of \(float, float\)!",
    ),
    "shape/float_padding: int(kernel_size / 2) is the same number": lambda: all(
        int(k / 2) == k // 2 for k in range(100)
    ),
    "shape/float_padding: half the kernel keeps the size for odd kernels only": lambda: (
        [nn.Conv2d(3, 8, k, padding=k // 2)(torch.zeros(1, 3, 8, 8)).shape[-1] for k in (3, 4, 5)]
        == [8, 9, 8]
    ),
    "shape/float_channels: a whole float is refused too": (
        lambda: nn.Conv2d(16, 8.0, 1),
        r"must be tuple of ints, but found element of type float at pos 0",
    ),
    "shape/float_channels: in the place of in_channels the wording differs": (
        lambda: nn.Conv2d(8.0, 16, 1),
        r"type must be tuple of ints,but got float",
    ),
    "shape/float_channels: 16 / 2 is a float": lambda: isinstance(16 / 2, float),
    "shape/bool_padding: True equals 1, and the layer is built without complaint": lambda: (
        True == 1 and nn.Conv2d(3, 8, 3, padding=True).padding == (True, True)
    ),
    "shape/bool_padding: False is refused too": (
        lambda: nn.Conv2d(3, 8, 3, padding=False)(torch.randn(4, 3, 8, 8)),
        r"!tuple of \(bool, bool\)!",
    ),
    "shape/bool_padding: bias=False alone works, so NoneType is innocent": lambda: (
        nn.Conv2d(3, 8, 3, padding=1, bias=False)(torch.randn(4, 3, 8, 8)).shape == (4, 8, 8, 8)
    ),
    "shape/conv2d_argument_order: a larger image runs, and shrinks": lambda: (
        nn.Conv2d(8, 8, 3, 1, 1, 8)(torch.zeros(1, 8, 32, 32)).shape == (1, 8, 18, 18)
    ),
    "shape/conv2d_argument_order: the weight tells": lambda: (
        (
            nn.Conv2d(8, 8, 3, 1, 1, 8).weight.shape[1],
            nn.Conv2d(8, 8, 3, 1, 1, groups=8).weight.shape[1],
        )
        == (8, 1)
    ),
    "shape/conv2d_argument_order: the order of the arguments": lambda: (
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
    "shape/missing_flatten: Linear(6, 10) runs on the map": lambda: (
        nn.Linear(6, 10)(torch.zeros(4, 8, 6, 6)).shape == (4, 8, 6, 10)
    ),
    "shape/same_padding_with_stride: without a stride it works": lambda: (
        nn.Conv2d(3, 8, 3, padding="same")(torch.zeros(1, 3, 8, 8)).shape[-1] == 8
    ),
    "shape/same_padding_with_stride: padding='valid' gives 3 of 8 pixels, padding=1 gives 4": lambda: (
        [
            nn.Conv2d(3, 8, 3, stride=2, padding=p)(torch.zeros(1, 3, 8, 8)).shape[-1]
            for p in ("valid", 1)
        ]
        == [3, 4]
    ),
    "shape/residual_shortcut_stride: the last differing dimension is named, though 2 differs as well": (
        lambda: torch.zeros(4, 8, 4, 4) + torch.zeros(4, 8, 8, 8),
        r"tensor a \(4\) must match the size of tensor b \(8\) at non-singleton dimension 3",
    ),
    "shape/residual_shortcut_stride: with a convolution in the shortcut the block works": lambda: (
        load("cases", "shape/residual_shortcut_stride")
        .Block(8, 16, stride=2)(torch.zeros(1, 8, 8, 8))
        .shape
        == (1, 16, 4, 4)
    ),
    "shape/concat_along_batch: dim of cat is 0 unless said": lambda: (
        torch.cat([torch.zeros(4, 8)] * 3).shape == (12, 8)
    ),
    "shape/concat_along_batch: Linear(8, 10) would run and give 12 rows": lambda: (
        nn.Linear(8, 10)(torch.cat([torch.zeros(4, 8)] * 3)).shape == (12, 10)
    ),
    "shape/linear_in_features_adaptive_pool: the 64 do not depend on the image": lambda: (
        {
            load("cases", "shape/linear_in_features_adaptive_pool")
            .Net()
            .pool(torch.zeros(1, 16, h, w))
            .numel()
            for h, w in ((22, 30), (9, 5), (1, 1))
        }
        == {64}
    ),
    "shape/view_invalid_size: 25 images give 9 rows, without complaint": lambda: (
        torch.zeros(25, 16, 3, 3).view(-1, 400).shape == (9, 400)
    ),
    "shape/view_invalid_size: reshape says the same": (
        lambda: torch.zeros(4, 16, 3, 3).reshape(-1, 400),
        r"shape '\[-1, 400\]' is invalid for input of size 576",
    ),
    "shape/conv3d_on_2d_images: a batch of 3 passes the Conv3d": lambda: (
        nn.Conv3d(3, 8, 3, padding=1)(torch.zeros(3, 3, 8, 8)).shape == (8, 3, 8, 8)
    ),
    "shape/conv3d_on_2d_images: in_channels=4 runs for a batch of 4, and gives no batch": lambda: (
        nn.Conv3d(4, 8, 3, padding=1)(torch.zeros(4, 3, 8, 8)).shape == (8, 3, 8, 8)
    ),
    "shape/classifier_without_linear: a 1x1 convolution and a mean equal a mean and a Linear": lambda: (
        (
            lambda t, c: torch.allclose(
                c(t).mean(dim=(2, 3)),
                F.linear(t.mean(dim=(2, 3)), c.weight.flatten(1), c.bias),
                atol=1e-5,
            )
        )(torch.randn(4, 8, 7, 12), nn.Conv2d(8, 10, 1))
    ),
    "shape/broadcast_attention_weights: expanding by hand gives the same": lambda: (
        lambda t, w: torch.equal(t * w, t * w.expand_as(t))
    )(torch.randn(4, 8, 6, 6), torch.rand(4, 8, 1, 1)),
    "shape/broadcast_attention_weights: without the ones it is refused": (
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
    "shape/depthwise_convolution: 3 groups give 12 channels with 4 filters each, 5 are refused": (
        lambda: nn.Conv2d(3, 5, 3, groups=3),
        r"out_channels must be divisible by groups",
    ),
    "shape/depthwise_convolution: the weight is 12 x 1 x 3 x 3": lambda: (
        nn.Conv2d(3, 12, 3, groups=3).weight.shape == (12, 1, 3, 3)
    ),
    "shape/depthwise_convolution: output channels 0 to 3 see the first colour only": lambda: (
        lambda c, t, u: (
            torch.equal(c(t)[:, :4], c(u)[:, :4]) and not torch.equal(c(t)[:, 4:], c(u)[:, 4:])
        )
    )(
        nn.Conv2d(3, 12, 3, groups=3),
        *(lambda t: (t, torch.cat([t[:, :1], torch.randn(1, 2, 8, 8)], dim=1)))(
            torch.randn(1, 3, 8, 8)
        ),
    ),
    "shape/unet_odd_image_size: the interpolation changes 7 by 8 into 15 by 17": lambda: (
        F.interpolate(torch.zeros(1, 8, 7, 8), size=(15, 17)).shape == (1, 8, 15, 17)
    ),
    "shape/unet_odd_image_size: scale_factor=2 would give 14 by 16": lambda: (
        F.interpolate(torch.zeros(1, 8, 7, 8), scale_factor=2).shape == (1, 8, 14, 16)
    ),
    "shape/grayscale_into_rgb_network: the mode is L": lambda: (
        Image.fromarray(np.zeros((8, 8), np.uint8)).mode == "L"
    ),
    "shape/decoder_output_size_mismatch: mse_loss warns before it raises": lambda: (
        lambda r: r[0] and len(r[1]) == 1 and "target size" in r[1][0]
    )(warned(lambda: F.mse_loss(torch.zeros(4, 3, 16, 16), torch.zeros(4, 3, 15, 15)))),
    "shape/output_padding_without_stride: an output_padding as large as the stride is refused too": (
        lambda: nn.ConvTranspose2d(8, 3, 3, stride=2, output_padding=2)(torch.zeros(1, 8, 4, 4)),
        r"output padding must be smaller than either stride or dilation, but got output_padding_height: 2",
    ),
    "shape/duplicate_layer_name: a BatchNorm2d(32) there only changes the message": (
        lambda: nn.BatchNorm2d(32)(torch.zeros(4, 8, 6, 6)),
        r"running_mean should contain 8 elements not 32",
    ),
    "shape/batchnorm1d_wrong_axis: BatchNorm1d(36) runs": lambda: (
        nn.BatchNorm1d(36)(torch.randn(4, 36, 8)).shape == (4, 36, 8)
    ),
    "shape/float_channels: a float stride is stored, and refused on the first image": (
        lambda: (
            lambda layer: layer(torch.zeros(1, 3, 8, 8)) if layer.stride == (1.5, 1.5) else None
        )(nn.Conv2d(3, 8, 3, stride=1.5)),
        r"!tuple of \(float, float\)!",
    ),
    "shape/float_channels: a float kernel size is refused when the layer is built": (
        lambda: nn.Conv2d(3, 8, 3.0),
        r"empty\(\)",
    ),
    "shape/bool_padding: with a bias the message shows a Parameter in the place of NoneType": (
        lambda: nn.Conv2d(3, 8, 3, padding=True)(torch.randn(4, 3, 8, 8)),
        r"got \(Tensor, Parameter, Parameter, tuple, tuple, tuple, int\)",
    ),
    "shape/residual_shortcut_stride: an odd size is rounded up by the one and down by the other": lambda: (
        (
            nn.Conv2d(3, 3, 3, stride=2, padding=1)(torch.zeros(1, 3, 15, 15)).shape[-1],
            F.avg_pool2d(torch.zeros(1, 3, 15, 15), 2).shape[-1],
        )
        == (8, 7)
    ),
    "shape/conv3d_on_2d_images: a batch of 3 fails in the Linear": (
        lambda: load("cases", "shape/conv3d_on_2d_images").Net()(torch.zeros(3, 3, 8, 8)),
        r"mat1 and mat2 shapes cannot be multiplied \(8x192 and 512x10\)",
    ),
    "shape/view_invalid_size: 32 pixels leave 16 x 5 x 5": lambda: (
        lambda n, t: F.max_pool2d(n.conv2(F.max_pool2d(n.conv1(t), 2)), 2).shape == (1, 16, 5, 5)
    )(load("cases", "shape/view_invalid_size").Net(), torch.zeros(1, 3, 32, 32)),
    "shape/kernel_larger_than_input: images of 32 pixels pass": lambda: (
        load("cases", "shape/kernel_larger_than_input").Net()(torch.zeros(1, 3, 32, 32)).shape
        == (1, 1)
    ),
    "shape/pool_output_size_zero: a last map of 7 x 7 for 224 pixels": lambda: (
        nn.Sequential(
            *list(__import__("torchvision").models.resnet18(weights=None).children())[:-2]
        )
        .eval()
        .to("meta")(torch.zeros(1, 3, 224, 224, device="meta"))
        .shape[2:]
        == (7, 7)
    ),
    "shape/groups_not_dividing_channels: groups=24 divides 24, not 6": (
        lambda: nn.Conv2d(24, 6, 1, groups=24),
        r"out_channels must be divisible by groups",
    ),
    "batch/squeezed_score_of_one_image: four photos keep their dimension, one loses it": lambda: (
        (torch.rand(4, 1).squeeze().shape, torch.rand(1, 1).squeeze().shape) == ((4,), ())
    ),
    "batch/squeezed_score_of_one_image: a score without dimensions cannot be iterated over": (
        lambda: list(torch.rand(1, 1).squeeze()),
        r"iteration over a 0-d tensor",
    ),
    "batch/squeezed_score_of_one_image: reshape(-1) hides that there were two numbers for a photo": lambda: (
        torch.rand(1, 2).squeeze().reshape(-1).shape == (2,)
    ),
}
