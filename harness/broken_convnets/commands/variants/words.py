"""The words of another author, by what a thing is; none of them reveals a mistake."""

from __future__ import annotations

# By the role that `roles.py` infers.
VARIABLES = {
    "network": ("model", "network", "cnn"),
    "features": ("inputs", "out", "feats", "h"),
    "images": ("inputs", "imgs", "image_batch", "pictures"),
    "targets": ("targets", "target", "y_true", "y"),
    "outputs": ("out", "preds", "predictions", "output"),
    "loss": ("total_loss", "batch_loss", "loss_value"),
    "optimizer": ("optim", "opt"),
    "loader": ("dataloader", "data_loader", "train_loader"),
    "dataset": ("data", "train_set", "train_data"),
    "index": ("i", "idx"),
    "iteration": ("i", "step", "epoch"),
}

# By the class of the layer. A number at the end of the old name stays.
LAYERS = {
    "Conv": ("conv_layer", "convolution"),
    "Linear": ("linear", "dense", "fc_layer"),
    "BatchNorm": ("bn", "batch_norm"),
    "Pool": ("pooling", "pool_layer"),
    "Dropout": ("dropout", "dropout_layer"),
    "ReLU": ("relu", "activation"),
    "Sequential": ("layers", "net", "seq"),
    "ModuleList": ("layers", "module_list"),
}

# In docstrings, which describe the purpose of the network.
PROSE = {
    "Classify": ("Recognise", "Categorise"),
    "Train": ("Fit", "Optimise"),
    "small": ("tiny", "little"),
    "colour": ("color", "RGB"),
    "grey": ("gray", "monochrome"),
    "photos": ("pictures", "photographs"),
    "network": ("model", "net"),
    "classifier": ("model", "network"),
}
