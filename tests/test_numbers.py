"""What the numbers in a message mean: facts, and guesses that are worded as such."""

from __future__ import annotations

import pytest
from broken_convnets.commands.explain.numbers import FAMILIES, facts, plain, tags

SAID = [
    (
        "mat1 and mat2 shapes cannot be multiplied (4x2704 and 400x10)",
        "Linear expects 400 features; its input has 2704, in 4 rows.",
        ["other features"],
    ),
    (
        "mat1 and mat2 shapes cannot be multiplied (4x64 and 16x10)",
        "64 = 16 x 2 x 2: possibly 16 channels arrive with 2 x 2 pixels each",
        ["pixels per channel"],
    ),
    (
        "mat1 and mat2 shapes cannot be multiplied (192x6 and 288x10)",
        "possibly the flatten is missing, with a batch of 4",
        ["no flatten"],
    ),
    (
        "mat1 and mat2 shapes cannot be multiplied (8x36 and 288x10)",
        "possibly this is one image without its batch",
        ["one image"],
    ),
    (
        "mat1 and mat2 shapes cannot be multiplied (12x8 and 24x10)",
        "possibly each sample arrives as 3 separate rows",
        ["parts as rows"],
    ),
    (
        "mat1 and mat2 shapes cannot be multiplied (192x6 and 8x10)",
        "possibly these are feature maps of 8 channels",
        ["no pooling"],
    ),
    (
        "mat1 and mat2 shapes cannot be multiplied (64x2304 and 9216x10)",
        "possibly the images have sides 2 times shorter",
        ["other features"],
    ),
    (
        "size mismatch, m1: [4 x 12], m2: [10 x 2] at /x.cpp:9",
        "Linear expects 10 features; its input has 12",
        ["other features"],
    ),
    (
        "expected input[4, 8, 8, 3] to have 3 channels, but got 8 channels instead",
        "possibly the channels are in the last dimension",
        ["channels last"],
    ),
    (
        "expected input[128, 64, 32, 32] to have 32 channels, but got 64 channels instead",
        "64 = 2 x 32: possibly two feature maps were joined.",
        ["joined"],
    ),
    (
        "expected input[4, 1, 8, 8] to have 3 channels, but got 1 channels instead",
        "A grayscale image has one channel.",
        ["grayscale"],
    ),
    (
        "expected input[3, 1, 512, 512] to have 3 channels, but got 1 channels instead",
        "possibly batch and channels are swapped",
        ["grayscale"],
    ),
    (
        "expected input[4, 4, 8, 8] to have 3 channels, but got 4 channels instead",
        "An image with transparency has four channels.",
        ["alpha"],
    ),
    (
        (
            "Given groups=4, weight of size [8, 2, 3, 3], expected input[4, 6, 8, 8] to "
            "have 8 channels, "
            "but got 6 channels instead"
        ),
        "It splits them into 4 groups.",
        ["groups"],
    ),
    (
        (
            "The size of tensor a (16) must match the size of tensor b (8) at non-singleton "
            "dimension 1"
        ),
        "(the channels, in a batch of images), one tensor has size 16 and the other 8.",
        ["in the channels", "twice"],
    ),
    (
        "Sizes of tensors must match except in dimension 1. Expected size 15 but got size 14 for",
        "One tensor has size 15 where another has 14, a difference of 1.",
        ["joined", "by a few"],
    ),
    (
        "got [3, 8, 10] at entry 0 and [3, 8, 9] at entry 1",
        "They differ in dimension 2.",
        ["sides differ"],
    ),
    (
        "got [224, 224] at entry 0 and [224, 224, 3] at entry 1",
        "number of dimensions",
        ["other dimensions"],
    ),
    (
        (
            "size mismatch for fc.weight: copying a param with shape torch.Size([10, 288]) from "
            "checkpoint, the shape in current model is torch.Size([5, 288])."
        ),
        "fc.weight has shape [10, 288] in the checkpoint and [5, 288] in the network.",
        [],
    ),
    (
        'Missing key(s) in state_dict: "a.b".\n\tUnexpected key(s) in state_dict: "module.a.b".',
        "Every unexpected key begins with `module.`",
        ["prefix module."],
    ),
    (
        "Expected input batch_size (16) to match target batch_size (4).",
        "16 = 4 x 4: possibly each image became 4 rows.",
        ["rows too many"],
    ),
    (
        "Expected input batch_size (8) to match target batch_size (32).",
        "one-hot",
        ["labels too many"],
    ),
    (
        "Expected input batch_size (3) to match target batch_size (4).",
        "The network returns 3 rows, and there are 4 labels.",
        ["other batches"],
    ),
    ("Target 10 is out of bounds.", "There is a label 10, and labels count from 0", ["a class"]),
    ("Target 255 is out of bounds.", "There is a label 255", ["white"]),
    ("Target -1 is out of bounds.", "There is a label -1", ["negative"]),
    (
        "shape '[-1, 400]' is invalid for input of size 576",
        "576 values cannot be split into rows of 400.",
        ["other features"],
    ),
    (
        "shape '[4, 288]' is invalid for input of size 576",
        "The view asks for 1152 values; there are 576. They fill 2 rows of 288, not 4.",
        ["other batch"],
    ),
    (
        "running_mean should contain 8 elements not 16",
        "The normalization layer has 16 channels; its input has 8.",
        [],
    ),
    (
        "input to conv2d, but got input of size: [4, 192]",
        "The input has 2 dimensions: [4, 192].",
        [],
    ),
    (
        "Input type (double) and bias type (float) should be the same",
        "The input is double, the layer's parameters are float.",
        ["f32 with f64"],
    ),
    (
        (
            "Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should "
            "be the same"
        ),
        "The input is on the GPU, the layer's parameters are on the CPU.",
        ["two devices"],
    ),
    (
        "expected scalar type Long but found Float",
        "Two dtypes are mixed: Long and Float.",
        ["f32 with i64"],
    ),
    ("found at least two devices, cuda:0 and cpu!", "One tensor is on cuda:0, another on cpu.", []),
    (
        "Target size (torch.Size([4])) must be the same as input size (torch.Size([4, 1]))",
        "Both contain 4 values.",
        ["same count"],
    ),
    (
        "Expected more than 1 value per channel when training, got input size torch.Size([1, 32])",
        "The input is [1, 32]: a single value per channel",
        [],
    ),
    (
        "Given input size: (16x4x4). Calculated output size: (16x0x0). Output size is too small",
        "A feature map of 4 x 4 would become 0 x 0.",
        [],
    ),
    (
        "conv2d(): argument 'input' (position 1) must be Tensor, not tuple",
        "conv2d() received a tuple where it expects a tensor.",
        ["a tuple"],
    ),
    (
        "relu(): argument 'input' (position 1) must be Tensor, not Conv2d",
        "relu() received a Conv2d where it expects a tensor.",
        ["a layer"],
    ),
    (
        "'MaxPool2d' object has no attribute 'size'",
        "The object without `size` is a MaxPool2d.",
        ["a layer"],
    ),
    ("'Sequential' object has no attribute 'fc'", "The object without `fc` is a Sequential.", []),
    (
        "'NoneType' object is not callable",
        "uses None as if it were callable.",
        ["a NoneType not callable"],
    ),
    (
        "conv2d() received an invalid combination of arguments - got (list, Parameter, Parameter)",
        "conv2d() received a list",
        ["a list"],
    ),
    (
        "found <class 'PIL.Image.Image'>",
        "The sample contains an Image.",
        ["a Image"],
    ),
    (
        (
            "[torch.FloatTensor [4, 8]], which is output 0 of Relu, is at version 1; "
            "expected version 0"
        ),
        "whose `grad_fn` is Relu, was changed in place once after",
        [],
    ),
    (
        "a and b must have same reduction dim, but got [8, 36] X [288, 10].",
        "Linear expects 288 features; its input has 36, in 8 rows.",
        ["one image"],
    ),
    (
        "index 1 had torch.Size([4, 3]); but expected shape should be broadcastable to [4, 6]",
        "In dimension 1 (the channels, in a batch of images), one tensor has size 3",
        ["in the channels", "twice"],
    ),
    (
        "Sizes of tensors must match except in dimension 1. Got 8 and 7 in dimension 2",
        "One tensor has size 8 where another has 7, a difference of 1.",
        ["joined", "by a few"],
    ),
    (
        'unexpected key "module.conv.weight" in state_dict',
        "The unexpected key begins with `module.`.",
        ["prefix module."],
    ),
    (
        "unexpected key 'optimizer' in state_dict",
        "No layer has the unexpected key `optimizer`.",
        ["whole checkpoint"],
    ),
    (
        "but got weight is on cuda:0, different from other tensors on cpu",
        "One tensor is on cuda:0, another on cpu.",
        [],
    ),
    (
        "Attempting to deserialize: device 0 does not equal 1",
        "One tensor is on GPU 0, another on GPU 1.",
        ["two GPUs"],
    ),
    (
        "Calculated padded input size per channel: (2 x 2). Kernel size: (5 x 5).",
        "A kernel of 5 x 5 does not fit into a feature map of 2 x 2 (including padding).",
        [],
    ),
    (
        "conv2d(): argument 'input' must be Tensor, not list of [Tensor, Tensor]",
        "The list contains 2 tensors.",
        ["a pair", "a list"],
    ),
    (
        "forward() missing 1 required positional argument: 'x'",
        "forward() was called with the wrong number of arguments.",
        ["call of forward"],
    ),
]


def test_every_family_has_a_message_here() -> None:
    said = [plain(message) for message, _, _ in SAID]
    assert [one.pattern for one, _ in FAMILIES if not any(map(one.search, said))] == []


@pytest.mark.parametrize(("message", "sentence", "named"), SAID)
def test_a_message_becomes_a_sentence_and_tags(
    message: str, sentence: str, named: list[str]
) -> None:
    said = " ".join(fact.sentence for fact in facts(message))
    assert sentence in said
    assert tags(message) == named


@pytest.mark.parametrize(
    "message",
    [
        "",
        "KeyError: 3",
        "mat1 and mat2 shapes cannot be multiplied",
        "Target is out of bounds",
        "(4x4 and 4x4)",
        f"Target {'9' * 30} is out of bounds",
        "conv2d() received an invalid combination of arguments - got (Tensor, Parameter, None)",
    ],
)
def test_a_message_without_numbers_has_no_facts(message: str) -> None:
    assert facts(message) == []


@pytest.mark.parametrize(
    "message",
    [
        "mat1 and mat2 shapes cannot be multiplied (0x0 and 0x0)",
        "got [] at entry 0 and [] at entry 1",
        "Expected input batch_size (0) to match target batch_size (0)",
        "shape '[0, 0]' is invalid for input of size 0",
        "shape '[]' is invalid for input of size 0",
        "expected input[] to have 0 channels, but got 0 channels instead",
        "of size: [, , ,]",
        "Given input size: (x). Calculated output size: (--). Output",
        "size of tensor a (-0) must match the size of tensor b (0) at non-singleton dimension -1",
    ],
)
def test_impossible_numbers_raise_nothing(message: str) -> None:
    assert all(fact.sentence for fact in facts(message))
