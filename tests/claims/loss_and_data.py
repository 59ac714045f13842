"""What the pages of loss and data say about PyTorch, one claim a line: a truth, or a call and its refusal."""

import io, numpy as np, torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate
from PIL import Image
from torchvision.transforms import (
    v2,
    CenterCrop,
    Compose,
    InterpolationMode,
    Normalize,
    RandomHorizontalFlip,
    Resize,
    ToTensor,
)
from torchvision.transforms.functional import to_tensor
from torchvision.models import SqueezeNet1_1_Weights, get_model_weights, list_models
import torchvision
from torchvision import tv_tensors

S = torch.randn(4, 10)
L = torch.arange(4)
PX = torch.randn(4, 2, 8, 8)
PHOTO = Image.fromarray(np.full((8, 8, 3), 255, np.uint8))
BYTES = torch.full((3, 2, 2), 255, dtype=torch.uint8)
BGR = np.zeros((8, 8, 3), np.uint8)


MASK = torch.arange(25, dtype=torch.uint8).reshape(1, 5, 5)


def learned():
    p = torch.randn(4, 10, requires_grad=True)
    q = p.argmax(1).float().requires_grad_()
    F.cross_entropy(q, L.float()).backward()
    return p.grad is None


def trained_floor(make, target, loss):
    p = torch.randn(target.shape[0], make, requires_grad=True)
    o = torch.optim.Adam([p], lr=0.5)
    for _ in range(600):
        o.zero_grad()
        l = loss(p, target)
        l.backward()
        o.step()
    return l.item()


def shared():
    a = np.zeros(2)
    torch.from_numpy(a).add_(1)
    return a.max() == 1


def copied():
    a = np.zeros((2, 2, 3), np.float32)
    ToTensor()(a).add_(1)
    return a.max() == 0


def view():
    a = torch.zeros(4, 3)
    b = a[0]
    b -= 0.5
    return bool(a[0].min() < 0)


def np_view():
    a = np.zeros((4, 3))
    b = a[0]
    b -= 0.5
    return a[0].min() < 0


def names():
    a = torch.tensor([255.0])
    b = a
    b /= 255
    return a.item() == 1.0


class Shrinks(Dataset):
    def __init__(self):
        self.mean = torch.tensor([100.0])

    def __len__(self):
        return 4

    def __getitem__(self, index):
        mean = self.mean
        mean /= 10
        return mean.clone()


def workers():
    data = Shrinks()
    loader = DataLoader(data, batch_size=4, num_workers=1)
    return torch.equal(next(iter(loader)), next(iter(loader))) and data.mean.item() == 100


def orders(**k):
    loader = DataLoader(TensorDataset(torch.arange(12)), batch_size=4, **k)
    return [torch.cat([b for (b,) in loader]).tolist() for _ in range(2)]


def once():
    torch.manual_seed(0)
    data = torch.arange(12)[torch.randperm(12)].tolist()
    loader = DataLoader(data, batch_size=4)
    return [torch.cat(list(loader)).tolist() for _ in range(2)]


def clamp():
    s = torch.tensor([-1.0, 2.0], requires_grad=True)
    F.binary_cross_entropy(s.clamp(0, 1), torch.tensor([1.0, 0.0])).backward()
    return not s.grad.any()


def accuracy(loader):
    return sum((o.argmax(1) == t).sum().item() for o, t in loader), len(loader), len(loader.dataset)


def same_grads():
    p = torch.randn(4, 10, requires_grad=True)
    (a,) = torch.autograd.grad(F.cross_entropy(p, L), p)
    (b,) = torch.autograd.grad(F.cross_entropy(F.log_softmax(p, 1), L), p)
    return torch.allclose(a, b, atol=1e-6)


def bn_order():
    torch.manual_seed(0)
    n = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(192, 10))
    x = torch.randn(8, 3, 8, 8)

    def run(i):
        return torch.cat([n(b) for b in x[i].split(4)])

    i = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])
    j = torch.argsort(i)
    train = torch.allclose(run(torch.arange(8)), run(i)[j], atol=1e-5)
    n.eval()
    return not train and torch.allclose(run(torch.arange(8)), run(i)[j], atol=1e-5)


def transparent():
    return Image.new("RGBA", (2, 2), (255, 0, 0, 0)).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def conv(x):
    return nn.Conv2d(3, 8, 3)(x)


def folders():
    import os, tempfile
    from torchvision.datasets import ImageFolder

    with tempfile.TemporaryDirectory() as d:
        for c in "ba":
            os.mkdir(f"{d}/{c}")
            [PHOTO.save(f"{d}/{c}/{i}.png") for i in range(3)]
        return ImageFolder(d).targets == [0, 0, 0, 1, 1, 1]


def jumps():
    torch.manual_seed(0)
    n = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3))
    o = torch.optim.SGD(n.parameters(), lr=0.05)
    x = torch.randn(24, 3, 8, 8)
    y = torch.arange(24) // 8
    ls = []
    for _ in range(5):
        for a, b in zip(x.split(4), y.split(4)):
            o.zero_grad()
            l = F.cross_entropy(n(a), b)
            l.backward()
            o.step()
            ls.append(l.item())
    return ls[-2] > ls[-3] and ls[-4] > ls[-5]


def padded_mean():
    a = torch.ones(1, 8, 8)
    return F.pad(a, (0, 8)).mean() != a.mean()


CLAIMS = {
    "data/unshuffled_training_loader: folders of classes are read sorted by class": folders,
    "data/unshuffled_training_loader: the loss jumps up where the class changes": jumps,
    "data/padded_variable_size_images: a mean counts the padding": padded_mean,
    # loss
    "loss/integer_one_hot_labels: float one-hot gives the same loss as class numbers": lambda: (
        torch.allclose(F.cross_entropy(S, F.one_hot(L, 10).float()), F.cross_entropy(S, L))
    ),
    "loss/integer_one_hot_labels: argmax undoes one_hot": lambda: torch.equal(
        F.one_hot(L, 10).argmax(dim=1), L
    ),
    "loss/integer_one_hot_labels: flattening brings an error about batch sizes": (
        lambda: F.cross_entropy(S, F.one_hot(L, 10).view(-1)),
        r"batch_size \(4\) to match target batch_size \(40\)",
    ),
    "loss/labels_with_extra_dimension: float labels leave the message the same": (
        lambda: F.cross_entropy(S, L[:, None].float()),
        r"0D or 1D target tensor expected, multi-target not supported",
    ),
    "loss/labels_with_extra_dimension: one-hot integers of another width give the same message": (
        lambda: F.cross_entropy(S, F.one_hot(L, 5)),
        r"0D or 1D target tensor expected, multi-target not supported",
    ),
    "loss/labels_with_extra_dimension: a bare squeeze takes the batch of one away": lambda: (
        torch.zeros(1, 1).squeeze().shape == ()
    ),
    "loss/labels_start_at_one: a batch without class 10 raises nothing": lambda: bool(
        F.cross_entropy(S, L + 1) > 0
    ),
    "loss/labels_start_at_one: eleven outputs accept labels to 10": lambda: bool(
        F.cross_entropy(torch.randn(10, 11), torch.arange(10) + 1) > 0
    ),
    "loss/mask_with_channel_dimension: squeeze(1) is accepted": lambda: bool(
        F.cross_entropy(PX, torch.zeros(4, 1, 8, 8).long().squeeze(1)) > 0
    ),
    "loss/mask_with_channel_dimension: a bare squeeze takes the batch of one away": lambda: (
        torch.zeros(1, 1, 8, 8).squeeze().shape == (8, 8)
    ),
    "loss/mask_with_channel_dimension: a colour mask gives the same message": (
        lambda: F.cross_entropy(PX, torch.zeros(4, 3, 8, 8).long()),
        r"only batches of spatial targets supported \(3D tensors\) but got targets of dimension: 4",
    ),
    "loss/mask_of_0_and_255: ignore_index=255 silences the error": lambda: torch.isfinite(
        F.cross_entropy(PX, torch.tensor([0, 255]).repeat(4, 8, 4), ignore_index=255)
    ).item(),
    "loss/mask_of_0_and_255: ToTensor then long makes class 1 into 0": lambda: (
        ToTensor()(Image.fromarray(np.full((2, 2), 1, np.uint8))).long().max().item() == 0
    ),
    "loss/bceloss_on_logits: scores between 0 and 1 pass": lambda: bool(
        F.binary_cross_entropy(torch.tensor([0.3]), torch.ones(1)) > 0
    ),
    "loss/bceloss_on_logits: a NaN gives the same message": (
        lambda: F.binary_cross_entropy(torch.tensor([float("nan")]), torch.ones(1)),
        r"all elements of input should be between 0 and 1",
    ),
    "loss/bceloss_on_logits: with_logits is exact for large scores, the pair is not": lambda: (
        F.binary_cross_entropy_with_logits(torch.tensor([200.0]), torch.zeros(1)).item() == 200
        and F.binary_cross_entropy(torch.sigmoid(torch.tensor([200.0])), torch.zeros(1)).item()
        == 100
    ),
    "loss/bceloss_on_logits: with_logits equals the sigmoid and the loss": lambda: torch.allclose(
        F.binary_cross_entropy_with_logits(S, S.sigmoid()),
        F.binary_cross_entropy(S.sigmoid(), S.sigmoid()),
        atol=1e-6,
    ),
    "loss/bceloss_on_logits: clamping stops the gradient": clamp,
    "loss/bce_logits_shape_mismatch: both ways to equal shapes give one loss": lambda: (
        torch.allclose(
            F.binary_cross_entropy_with_logits(S[:, :1].squeeze(1), L.float()),
            F.binary_cross_entropy_with_logits(S[:, :1], L.float().unsqueeze(1)),
        )
    ),
    "loss/bce_logits_shape_mismatch: a bare squeeze fails on a batch of one": (
        lambda: F.binary_cross_entropy_with_logits(torch.zeros(1, 1).squeeze(), torch.ones(1)),
        r"Target size \(torch.Size\(\[1\]\)\) must be the same as input size \(torch.Size\(\[\]\)\)",
    ),
    "loss/bce_logits_shape_mismatch: such shapes would broadcast": lambda: (
        (S[:, :1] - L).shape == (4, 4)
    ),
    "loss/integer_bce_targets: the output takes its dtype from the targets": (
        lambda: F.binary_cross_entropy_with_logits(S[:, :1], L[:, None].to(torch.uint8)),
        r"desired output type Byte",
    ),
    "loss/integer_bce_targets: integers carry no gradient": (
        lambda: torch.zeros(2, dtype=torch.int64, requires_grad=True),
        r"[Oo]nly Tensors of floating point",
    ),
    "loss/two_outputs_with_bce: repeated labels silence the error": lambda: bool(
        F.binary_cross_entropy(torch.rand(4, 2), torch.ones(4, 1).expand(4, 2)) > 0
    ),
    "loss/loss_module_as_function: the first settings are weight and size_average": lambda: (
        nn.CrossEntropyLoss.__init__.__code__.co_varnames[1:3] == ("weight", "size_average")
    ),
    "loss/softmax_module_as_function: Flatten does not check": lambda: isinstance(
        nn.Flatten(S), nn.Module
    ),
    "loss/softmax_module_as_function: the next step fails on a module": (
        lambda: nn.Linear(10, 2)(nn.Flatten(S)),
        r"must be Tensor, not Flatten",
    ),
    "loss/softmax_module_as_function: function and layer agree": lambda: torch.equal(
        nn.LogSoftmax(dim=1)(S), F.log_softmax(S, dim=1)
    ),
    "loss/one_channel_cross_entropy: float masks silence the message": lambda: torch.isfinite(
        F.cross_entropy(torch.randn(4, 8, 8), torch.ones(4, 8, 8))
    ).item(),
    "loss/one_channel_cross_entropy: dimension 1 is then the height": lambda: torch.allclose(
        F.cross_entropy(PX[:, 0], torch.ones(4, 8, 8)), -F.log_softmax(PX[:, 0], 1).sum(1).mean()
    ),
    "loss/one_channel_cross_entropy: a kept channel knows class 0 only": (
        lambda: F.cross_entropy(PX[:, :1], torch.ones(4, 8, 8).long()),
        r"Target 1 is out of bounds",
    ),
    "loss/class_dimension_last: flattening both gives the transposed loss": lambda: (
        lambda s, d: torch.allclose(
            F.cross_entropy(s.flatten(0, 1), d.flatten()), F.cross_entropy(s.transpose(1, 2), d)
        )
    )(torch.randn(4, 5, 10), torch.randint(10, (4, 5))),
    "loss/class_dimension_last: reshape stops the error and mixes": lambda: (
        lambda s, d: (
            not torch.allclose(
                F.cross_entropy(s.reshape(4, 10, 5), d), F.cross_entropy(s.transpose(1, 2), d)
            )
        )
    )(torch.randn(4, 5, 10), torch.randint(10, (4, 5))),
    "loss/class_dimension_last: equal numbers raise nothing": lambda: bool(
        F.cross_entropy(torch.randn(4, 10, 10), torch.zeros(4, 10).long()) > 0
    ),
    "loss/argmax_passed_to_loss: both as float fail at backward": (
        lambda: F.cross_entropy(
            torch.randn(4, 10, requires_grad=True).argmax(1).float(), L.float()
        ).backward(),
        r"element 0 of tensors does not require grad",
    ),
    "loss/argmax_passed_to_loss: requires_grad by hand teaches nothing": learned,
    "loss/broadcast_mse_loss: broadcast to 4 x 4": lambda: (S[:, :1] - L.float()).shape == (4, 4),
    "loss/broadcast_mse_loss: the floor is the variance of the targets": lambda: (
        lambda t: (
            abs(
                trained_floor(1, t, lambda p, t: ((p - t) ** 2).mean())
                - t.var(unbiased=False).item()
            )
            < 1e-4
        )
    )(torch.linspace(-1, 1, 4)),
    "loss/broadcast_mse_loss: a sum by hand does not warn": lambda: (
        not warned(lambda: ((S[:, :1] - L.float()) ** 2).mean())
        and warned(lambda: F.mse_loss(S[:, :1], L.float()))
    ),
    "loss/softmax_before_cross_entropy: the floor for ten classes is 1.46": lambda: (
        abs(F.cross_entropy(torch.eye(10), torch.arange(10)).item() - 1.4612) < 1e-3
    ),
    "loss/softmax_before_cross_entropy: a log-softmax twice changes nothing": lambda: (
        torch.allclose(F.log_softmax(F.log_softmax(S, 1), 1), F.log_softmax(S, 1), atol=1e-6)
    ),
    "loss/sigmoid_before_bce_with_logits: 0 to 1 become 0.50 to 0.73": lambda: (
        [round(x, 2) for x in torch.sigmoid(torch.tensor([0.0, 1.0])).tolist()] == [0.5, 0.73]
    ),
    "loss/sigmoid_before_bce_with_logits: the floor for half and half is 0.503": lambda: (
        round(
            F.binary_cross_entropy_with_logits(
                torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])
            ).item(),
            3,
        )
        == 0.503
    ),
    "loss/broadcast_accuracy: == gives a table and no warning": lambda: (
        (L[:, None] == L).shape == (4, 4) and not warned(lambda: L[:, None] == L)
    ),
    "loss/broadcast_accuracy: with many classes it need not exceed 1": lambda: (
        lambda t: (t[:, None] == t).sum().item() / 8 <= 1
    )(torch.arange(8) * 100),
    "loss/broadcast_accuracy: numel brings it below 1 and stays wrong": lambda: (
        lambda t: (t[:, None] == t).float().mean().item() < 0.5
    )(torch.arange(6) % 3),
    "loss/reshape_mixes_pixels_and_classes: a row holds one class's scores of three pixels": lambda: (
        (lambda o: torch.equal(o.reshape(-1, 3)[0], o[0, 0, 0, :3]))(torch.randn(4, 3, 8, 8))
    ),
    "loss/reshape_mixes_pixels_and_classes: moved, rows and argmax agree": lambda: (
        lambda o: torch.equal(o.argmax(1).reshape(-1), o.movedim(1, -1).reshape(-1, 3).argmax(1))
    )(torch.randn(4, 3, 8, 8)),
    "loss/max_instead_of_argmax: max gives values, then indices; dtypes differ": lambda: (
        [x.dtype for x in S.max(dim=1)] == [torch.float32, torch.int64]
    ),
    "loss/accuracy_divided_by_batches: len counts batches, drop_last loses samples of the data set": lambda: (
        (
            len(DataLoader(range(10), 4)),
            len(DataLoader(range(10), 4, drop_last=True)),
            len(DataLoader(range(10), 4, drop_last=True).dataset),
        )
        == (3, 2, 10)
    ),
    # data
    "data/bgr_channel_order: from_numpy refuses negative strides": (
        lambda: torch.from_numpy(BGR[:, :, ::-1]),
        r"negative",
    ),
    "data/bgr_channel_order: a copy is accepted": lambda: (
        torch.from_numpy(BGR[:, :, ::-1].copy()).shape == (8, 8, 3)
    ),
    "data/unscaled_pixels: ToDtype scales only when asked": lambda: (
        (
            v2.ToDtype(torch.float32)(BYTES).max().item(),
            v2.ToDtype(torch.float32, scale=True)(BYTES).max().item(),
        )
        == (255, 1)
    ),
    "data/unscaled_pixels: ToTensor scales bytes and no other arrays": lambda: (
        (
            ToTensor()(np.full((2, 2, 3), 255.0, np.float32)).max().item(),
            ToTensor()(np.full((2, 2, 3), 255, np.uint8)).max().item(),
        )
        == (255, 1)
    ),
    "data/normalized_twice: -6.5 to 2.6 instead of -2.1 to 2.6": lambda: (
        [round(x, 1) for x in ((-1 - 0.485) / 0.229, (1 - 0.406) / 0.225, -0.485 / 0.229)]
        == [-6.5, 2.6, -2.1]
    ),
    "data/normalized_twice: Normalize(0.5, 0.5) takes 0..1 to -1..1": lambda: (
        Normalize(0.5, 0.5)(torch.tensor([[[0.0, 1.0]]])).flatten().tolist() == [-1, 1]
    ),
    "data/normalize_on_uint8: .float() silences it and exceeds the range": lambda: (
        Normalize((0.485,), (0.229,))(BYTES.float()).max().item() > 1000
    ),
    "data/totensor_twice: flipping works on tensors": lambda: (
        RandomHorizontalFlip()(torch.rand(3, 8, 8)).shape == (3, 8, 8)
    ),
    "data/totensor_twice: ToTensor of numpy takes the axes for another order": lambda: (
        ToTensor()(torch.rand(3, 8, 8).numpy()).shape == (8, 3, 8)
    ),
    "data/pil_images_in_dataloader: a list of pictures fails in the first layer": (
        lambda: conv([PHOTO, PHOTO]),
        r"conv2d\(\) received an invalid combination of arguments - got \(list",
    ),
    "data/pil_images_in_dataloader: collate takes arrays, numbers, tuples, dicts": lambda: (
        default_collate([(np.zeros(2), 1, {"a": 2})] * 2)[1].tolist() == [1, 1]
    ),
    "data/rgba_images: RGB of grey, palette, RGBA and CMYK has three channels": lambda: (
        {to_tensor(PHOTO.convert(m).convert("RGB")).shape for m in ("L", "P", "RGBA", "CMYK")}
        == {(3, 8, 8)}
    ),
    "data/rgba_images: CMYK has 4 channels, grey and palette have 1": lambda: (
        [to_tensor(PHOTO.convert(m)).shape[0] for m in ("RGBA", "CMYK", "L", "P")] == [4, 4, 1, 1]
    ),
    "data/rgba_images: convert uncovers the colour below transparent pixels": transparent,
    "data/rgba_images: JPEG has no alpha": (
        lambda: Image.new("RGBA", (2, 2)).save(io.BytesIO(), "JPEG"),
        r"cannot write mode RGBA as JPEG",
    ),
    "data/grayscale_image_in_rgb_batch: convert repeats the grey value": lambda: (
        lambda t: torch.equal(t[0], t[1]) and torch.equal(t[1], t[2])
    )(to_tensor(Image.effect_noise((8, 8), 64).convert("RGB"))),
    "data/grayscale_image_in_rgb_batch: a batch of one grey picture fails in the convolution": (
        lambda: conv(default_collate([to_tensor(PHOTO.convert("L"))])),
        r"to have 3 channels, but got 1 channels",
    ),
    "data/resize_keeps_aspect_ratio: one number keeps the ratio, two do not": lambda: (
        (
            Resize(8)(Image.new("RGB", (16, 12))).size,
            Resize((8, 8))(Image.new("RGB", (16, 12))).size,
        )
        == ((10, 8), (8, 8))
    ),
    "data/resize_keeps_aspect_ratio: CenterCrop after it gives one size": lambda: (
        Compose([Resize(8), CenterCrop(8)])(Image.new("RGB", (16, 12))).size == (8, 8)
    ),
    "data/stacked_last_partial_batch: equal batches raise nothing": lambda: (
        torch.stack([torch.zeros(4, 10)] * 2).shape == (2, 4, 10)
    ),
    "data/unshuffled_training_loader: the order is kept unless told": lambda: (
        orders()[0] == orders()[1] == list(range(12))
    ),
    "data/unshuffled_training_loader: shuffle gives another order each epoch": lambda: (
        len({tuple(o) for _ in range(3) for o in orders(shuffle=True)}) > 1
    ),
    "data/unshuffled_training_loader: data shuffled once repeat one order": lambda: (
        once()[0] == once()[1] != list(range(12))
    ),
    "data/missing_pretrained_preprocessing: transforms need no download and hold the constants": lambda: (
        (lambda t: (t.mean, t.std) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))(
            SqueezeNet1_1_Weights.DEFAULT.transforms()
        )
    ),
    "data/missing_pretrained_preprocessing: weights of torchvision differ in their constants": lambda: (
        len(
            {
                tuple(w.transforms().mean)
                for m in list_models(module=torchvision.models)
                for w in get_model_weights(m)
            }
        )
        > 1
    ),
    "data/constant_modified_in_place: a second name is no copy": names,
    "data/constant_modified_in_place: 124, 0.49, 0.002": lambda: (
        (round(124 / 255, 2), round(124 / 255 / 255, 3)) == (0.49, 0.002)
    ),
    "data/constant_modified_in_place: worker processes start each epoch from a copy": workers,
    "data/dataset_modified_in_place: indexing gives a view": view,
    "data/dataset_modified_in_place: NumPy too": np_view,
    "data/dataset_modified_in_place: from_numpy shares memory": shared,
    "data/dataset_modified_in_place: ToTensor copies": copied,
    "data/mask_resized_like_an_image: v2 resizes a Mask with NEAREST": lambda: torch.equal(
        v2.functional.resize(tv_tensors.Mask(MASK), [3, 3]),
        v2.functional.resize(MASK, [3, 3], interpolation=InterpolationMode.NEAREST),
    ),
    # controls
    "loss/log_softmax_before_cross_entropy: loss and gradients are those of raw scores": same_grads,
    "loss/float_one_hot_labels: rows in between work": lambda: bool(
        F.cross_entropy(S, torch.full((4, 10), 0.1)) > 0
    ),
    "loss/broadcast_class_weights: equal rows give the same loss": lambda: torch.allclose(
        F.binary_cross_entropy_with_logits(S, S.sigmoid(), pos_weight=torch.arange(10.0)),
        F.binary_cross_entropy_with_logits(
            S, S.sigmoid(), pos_weight=torch.arange(10.0).expand(4, 10)
        ),
    ),
    "loss/broadcast_class_weights: a weight of shape (4) raises": (
        lambda: F.binary_cross_entropy_with_logits(S, S.sigmoid(), pos_weight=torch.ones(4)),
        r"must match the size",
    ),
    "data/last_batch_of_one: batches of 4, 4 and 1": lambda: (
        [len(b) for b in DataLoader(range(9), 4)] == [4, 4, 1]
    ),
    "data/unshuffled_evaluation_loader: BatchNorm mixes the batch in train mode only": bn_order,
}
import re, warnings


def warned(call):
    with warnings.catch_warnings(record=True) as w:
        warnings.simplefilter("always")
        call()
    return bool(w)
