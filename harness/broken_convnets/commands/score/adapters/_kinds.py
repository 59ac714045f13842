"""Map error messages of torch and Python to kinds of mistakes, independently of the corpus.

If a message has several possible causes, the kind is the most frequent one or only the topic.
"""

from __future__ import annotations

import re

OTHER = "other"

Patterns = list[tuple[re.Pattern[str], str]]


def kind_table(*rows: tuple[str, str]) -> Patterns:
    """Return pairs of a compiled pattern and its kind."""
    return [(re.compile(pattern), kind) for pattern, kind in rows]


def first_kind(patterns: Patterns, text: str) -> str:
    """Return the kind of the first pattern that matches in `text`, or "other"."""
    return next((kind for pattern, kind in patterns if pattern.search(text)), OTHER)


# Searched in "Class: message"; the first match counts.
PATTERNS = kind_table(
    # Layers and their input shapes, as real and fake tensors word the errors.
    (r"mat1 and mat2 shapes cannot be multiplied", "shape/linear_in_features"),
    (r"must have same reduction dim", "shape/linear_in_features"),
    (r"expected input\[\d+, \d+, \d+, (\d+)\] to have \1 channels", "shape/nhwc_input"),
    (r"expected input\[.*\] to have \d+ channels", "shape/channels_mismatch"),
    (r"Invalid channel dimensions", "shape/channels_mismatch"),
    (r"input to conv2d, but got input of size: \[\d+, \d+\]", "shape/flat_into_conv"),
    (r"input to conv2d, but got input of size: \[\d+, 1,", "shape/extra_batch_dim"),
    (r"input to conv2d, but got input of size: \[(\d+, ){4}\d+\]", "shape/5d_into_conv2d"),
    (r"input to conv1d, but got input of size: \[(\d+, ){3}\d+\]", "shape/4d_into_conv1d"),
    (r"size of tensor a .* must match the size of tensor b", "shape/elementwise_size_mismatch"),
    (r"Attempting to broadcast|compatible for broadcasting", "shape/elementwise_size_mismatch"),
    (r"Sizes of tensors must match except in dimension", "shape/unet_skip_mismatch"),
    (r"is invalid for input of size", "shape/view_invalid"),
    (r"view size is not compatible with input tensor's", "shape/view_noncontiguous"),
    (r"Cannot view a tensor with shape", "shape/view_noncontiguous"),
    (r"running_mean should contain", "shape/batchnorm_channels"),
    (r"Expected more than 1 value per channel", "shape/batchnorm_single_value"),
    (r"expected \dD( or \dD)? input \(got", "shape/norm_dim"),
    (r"Kernel size can't be greater than actual input size", "shape/kernel_larger_than_input"),
    (r"Output size is too small", "shape/pool_output_zero"),
    (r"output padding must be smaller", "shape/output_padding"),
    (r"padding='same' is not supported for strided", "shape/padding_same_version"),
    (r"must be divisible by (num_)?groups", "shape/groups_channels"),
    (r"of type float at pos|!tuple of \(float", "shape/float_conv_args"),
    (r"!tuple of \(bool", "shape/bool_conv_args"),
    # Dtypes and devices.
    (r"Input type \(unsigned char\)", "dtype/uint8_input"),
    (r"Input type \(double\)", "dtype/float64_numpy_input"),
    (r"BFloat16.* should be the same|same dtype, but got.*BFloat16", "dtype/bf16_vs_float"),
    (r"Half.* should be the same|same dtype, but got.*Half|FP16 grad", "dtype/half_vs_float"),
    (r"Input type \(|Found dtype|must have the same dtype", "dtype/input_dtype"),
    (r"expected scalar type Long|target dtype to be Long", "dtype/label_not_long"),
    (r"Expected all tensors to be on the same device", "device/device_mismatch"),
    (r"can't convert cuda", "device/numpy_on_cuda"),
    # Losses.
    (r"to match target batch_size", "loss/batch_size_mismatch"),
    (r"Target -?\d+ is out of bounds", "loss/target_out_of_range"),
    (r"only batches of spatial targets", "loss/target_shape_segmentation"),
    (r"multi-target not supported", "loss/one_hot_target"),
    (r"target with class probabilities", "loss/target_shape_equals_input"),
    (r"Expected target size", "loss/target_shape"),
    (r"Target size .* same as input size", "loss/bce_shape"),
    (r"ValueError: Using a target size", "loss/bce_shape"),
    (r"should be between 0 and 1", "loss/bce_range"),
    (r"Boolean value of Tensor with more than one value", "loss/module_as_function"),
    # Construction and training of the network.
    (r"before Module.__init__\(\) call", "training/missing_super_init"),
    (r"\[ModuleList\] is missing the required", "training/modulelist_called"),
    (r'missing the required "forward" function', "training/forward_missing"),
    (r"is not a Module subclass", "training/sequential_list"),
    (r"module is not installed as a submodule", "training/empty_parameter_list"),
    (r"optimizer got an empty parameter list", "training/empty_parameter_list"),
    (r"forward\(\) (takes|missing|got)", "training/forward_signature"),
    (r"does not require grad and does not have", "training/loss_no_grad"),
    (r"backward through the graph a second time", "training/backward_twice"),
    (r"modified by an inplace operation", "training/inplace_modified"),
    (r"used in an in-place operation", "training/inplace_modified"),
    (r"can't optimize a non-leaf", "training/non_leaf_optimized"),
    (r"returned nan values", "training"),
    # None, and other values that are not tensors.
    (r"'NoneType' object is not callable", "none/optional_layer_none"),
    (r"found <class 'NoneType'>", "none/dataset_returns_none"),
    (r"not NoneType|got \(NoneType", "none/forward_missing_return"),
    (r"NoneType", "none"),
    (r"got \(builtin_function_or_method", "none/method_not_called"),
    (r"got \((tuple|list),|not (tuple|list)$", "none/non_tensor_input"),
    (r"got \((?!\w*Tensor|Parameter)[A-Z]\w*,", "none/module_not_called"),
    (r"\(!(?!\w*Tensor|Parameter)[A-Z]\w*!,", "none/module_not_called"),
    (r"must be Tensor, not (?!NoneType)[A-Z]\w*$", "none/module_not_called"),
    # Data, checkpoints, and tracing.
    (r"stack expects each tensor to be equal size", "data/stack_unequal"),
    (r"found <class 'PIL", "data/pil_not_tensor"),
    (r"should be (PIL|Tensor Image|a float tensor)", "data/transform_order"),
    (r'key\(s\) in state_dict: "module\.', "state/dataparallel_prefix"),
    (r"size mismatch for", "state/state_dict_size_mismatch"),
    (r"key\(s\) in state_dict|dict-like", "state/state_dict_mismatch"),
    (r"[Ww]eights.only|allowed global", "state/weights_only"),
    (r"TraceError", "state/fx_control_flow"),
)


def kind_of(error_type: str, message: str) -> str:
    """Return the kind of an exception, or its topic, or "other"."""
    return first_kind(PATTERNS, f"{error_type}: {message}")
