"""Common names for variables, layers and classes; none of them reveals the mistake."""

from __future__ import annotations

NETWORKS = ("Model", "ConvNet", "Network", "SmallNet", "TinyNet", "CNN", "VisionModel", "MyNet")

CLASSES = {
    "Block": ("Unit", "Stage", "ConvUnit", "Module1", "BasicUnit"),
    "Photos": ("Pictures", "ImageSet", "PhotoDataset", "Samples"),
    "Bottleneck": ("Squeeze", "NarrowBlock", "Mixer"),
    "Head": ("Classifier", "Top", "OutputLayer"),
    "ChannelAttention": ("ChannelGate", "SqueezeExcite", "Attention"),
    "Join": ("Merge", "Combine", "TwoViews"),
    "Backbone": ("Trunk", "BaseModel", "Pretrained"),
    "Shrink": ("GlobalPool", "Reduce", "MaxOverMap"),
    "Encoder": ("Extractor", "Frontend", "Trunk"),
    "Pool": ("Pooling", "GlobalPooling", "Aggregate"),
}

# By the class of the layer. A number at the end of the old name stays.
LAYERS = {
    "Conv": ("stem", "features", "stage", "filters", "extract", "first", "cnn", "conv_layer"),
    "Linear": ("head", "classifier", "out", "dense", "proj", "linear", "logits_layer"),
    "BatchNorm": ("bn", "batchnorm", "normalise", "norm_layer"),
    "Pool": ("pooling", "shrink", "downscale", "subsample"),
    "Dropout": ("dropout", "do", "regularise"),
    "ReLU": ("activation", "nonlin", "relu_layer"),
    "Sequential": ("body", "trunk", "blocks", "stack", "net", "main"),
    "ModuleList": ("stages", "blocks", "steps", "convs"),
}

VARIABLES = {
    "x": ("inputs", "h", "out", "z", "feats", "data", "maps", "t", "hidden", "y"),
    "images": ("pictures", "samples", "batch_images", "imgs", "photos", "xb", "inputs"),
    "labels": ("targets", "y", "truth", "classes", "yb", "target"),
    "net": ("model", "network", "cnn", "module", "classifier"),
    "loss": ("objective", "cost", "total_loss", "criterion_value"),
    "optimizer": ("opt", "optim", "sgd", "solver"),
    "outputs": ("logits", "predictions", "scores", "preds", "result"),
    "photos": ("pictures", "shots", "imgs", "raw_images"),
    "photo": ("picture", "shot", "img"),
    "batch": ("chunk", "part", "mini_batch", "xs"),
    "index": ("i", "idx", "position", "number"),
    "loader": ("batches", "dataloader", "data_loader", "feed"),
    "file": ("buffer", "stream", "handle"),
    "inputs": ("in_channels", "before", "n_in", "source"),
    "channels": ("width", "planes", "n_maps", "dims"),
    "image": ("picture", "img", "sample", "single"),
    "classes": ("categories", "n_classes", "kinds"),
    "masks": ("segments", "regions", "maps", "targets"),
    "to_tensor": ("transform", "preprocess", "convert", "prepare"),
    "predicted": ("guess", "pred", "chosen", "best"),
    "fresh": ("restored", "loaded", "other", "copy_of_net"),
    "pixels": ("values", "raw", "array"),
    "mean": ("average", "mu", "centre"),
    "scores": ("logits", "outputs", "values"),
    "name": ("key", "label", "title"),
    "layer": ("module", "part", "step"),
    "weights": ("gates", "params", "coefficients"),
    "sizes": ("dims", "shapes", "widths"),
    "layers": ("modules", "parts", "steps"),
    "angles": ("directions", "rotations", "targets"),
    "features": ("embeddings", "codes", "feats"),
    "pictures": ("images", "shots", "photos"),
    "skip": ("shortcut", "saved", "residual"),
    "width": ("hidden", "inner", "columns"),
    "state": ("memory", "params", "stored"),
    "path": ("location", "where", "filename"),
    "files": ("sources", "paths", "items"),
    "transform": ("prepare", "augment", "convert"),
    "checkpoint": ("saved", "snapshot", "package"),
    "downsample": ("project", "shortcut", "adapter"),
    "identity": ("residual", "shortcut", "kept"),
    "fc": ("head", "classifier", "out", "dense", "proj"),
    "conv": ("stem", "filters", "extract", "cnn"),
    "head": ("classifier", "top", "fc", "final"),
    "stem": ("first", "entry", "conv_in", "start"),
    "block": ("unit", "stage", "residual", "middle"),
    "encoder": ("extractor", "trunk", "frontend"),
    "backbone": ("trunk", "base", "extractor"),
    "score": ("gate", "rate", "weigh"),
    "model": ("base", "wrapped", "inner"),
    "criterion": ("loss_function", "objective", "measure"),
    "decode": ("read_frame", "to_image", "parse"),
    "png": ("make_file", "encoded", "as_png"),
    "read_image": ("load_one", "get_image", "fetch"),
    "read_scan": ("load_scan", "get_scan", "fetch"),
    "branch": ("tower", "make_head", "subnet"),
    "accuracy": ("evaluate", "hit_rate", "share_right"),
    "read": ("load", "fetch", "lookup"),
    "padded": ("collate", "pad_all", "to_batch"),
    "maps": ("x", "planes", "tensor", "signal"),
    "depth": ("levels", "n_layers", "count"),
    "flat": ("vector", "row", "rows"),
    "vector": ("flat", "row", "embedding"),
    "hidden": ("inner", "flat", "middle"),
    "pooled": ("flat", "summary", "small"),
    "last": ("flat", "vector", "embedding"),
    "flatten": ("to_rows", "flat", "squash"),
    "act": ("nonlin", "activation", "relu"),
    "keep": ("store", "remember", "on_output"),
}

FALLBACK = ("my_{}", "the_{}", "{}_", "cur_{}")
FALLBACK_CONSTANT = ("THE_{}", "{}_VALUES", "MY_{}")
FALLBACK_CLASS = ("My{}", "Small{}", "{}Module")

# In docstrings, which describe the purpose of the network.
PROSE = {
    "Classify": ("Sort", "Recognise", "Categorise"),
    "Train": ("Fit", "Teach", "Optimise"),
    "small": ("tiny", "little"),
    "colour": ("color", "RGB"),
    "grey": ("gray", "monochrome"),
    "images": ("pictures", "inputs"),
    "photos": ("pictures", "photographs"),
    "network": ("model", "net"),
    "classifier": ("model", "network"),
}
