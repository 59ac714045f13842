"""Models of torchvision with auxiliary heads, whose outputs have losses of their own."""

from __future__ import annotations

from broken_convnets.commands.wild.hosts.classifiers import DROPOUT, MODELS
from broken_convnets.commands.wild.hosts.host import Auxiliary, Host, Task, drawing
from broken_convnets.commands.wild.hosts.others import BACKBONE_NAMES, LAYERS, SEGMENTATION

BACKBONE = (
    "IntermediateLayerGetter(ResNet(BasicBlock, {layers}), "
    "return_layers={{'layer2': 'aux', 'layer3': 'out'}}), "
)
OF_MASKS = Auxiliary('["out"]', ('["aux"]',), 0.5, in_eval=True)

AUXILIARY = (
    Host(
        "googlenet_aux",
        f"{MODELS}.googlenet",
        "GoogLeNet",
        drawing(
            "num_classes={classes}, init_weights=False, dropout={dropout}, "
            "dropout_aux={dropout_aux}",
            pixels=(32, 40),
            dropout=DROPOUT,
            dropout_aux=DROPOUT,
        ),
        factors=(8, 16),
        smooth=False,
        auxiliary=Auxiliary(".logits", (".aux_logits1", ".aux_logits2"), 0.3),
    ),
    Host(
        "inception_aux",
        f"{MODELS}.inception",
        "Inception3",
        drawing(
            # The auxiliary head needs a map of 17 pixels. InceptionB halves the map, so that images
            # would need 299: a convolution takes its place. No InceptionC, as in the other host.
            "num_classes={classes}, init_weights=False, dropout={dropout}, "
            "inception_blocks=[BasicConv2d, InceptionA, "
            "partial(BasicConv2d, out_channels=768, kernel_size={size}), nn.Identity, InceptionD, "
            "InceptionE, InceptionAux]",
            pixels=(171,),
            size=(1, 3),
            dropout=DROPOUT,
        ),
        factors=(16,),
        smooth=False,
        auxiliary=Auxiliary(".logits", (".aux_logits",), 0.4),
    ),
    Host(
        "fcn_aux",
        f"{SEGMENTATION}.fcn",
        "FCN",
        drawing(BACKBONE + "FCNHead(256, {classes}), FCNHead(128, {classes})", layers=LAYERS),
        task=Task.SEGMENTATION,
        names=BACKBONE_NAMES,
        smooth=False,
        auxiliary=OF_MASKS,
    ),
    Host(
        "deeplabv3_aux",
        f"{SEGMENTATION}.deeplabv3",
        "DeepLabV3",
        drawing(
            BACKBONE + "DeepLabHead(256, {classes}, atrous_rates={rates}), FCNHead(128, {classes})",
            layers=LAYERS,
            rates=("[1, 2]", "[1, 2, 4]"),
        ),
        task=Task.SEGMENTATION,
        names={**BACKBONE_NAMES, "FCNHead": f"{SEGMENTATION}.fcn.FCNHead"},
        smooth=False,
        auxiliary=OF_MASKS,
    ),
)
