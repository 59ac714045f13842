"""The segmentation models of torchvision, and this project's own U-Net and autoencoder."""

from __future__ import annotations

from broken_convnets.commands.wild.hosts.host import Host, Task, drawing

SEGMENTATION = "torchvision.models.segmentation"
TEMPLATES = "broken_convnets.commands.wild.hosts.templates"
BACKBONE = (
    "IntermediateLayerGetter(ResNet(BasicBlock, {layers}), return_layers={{'layer3': 'out'}}), "
)
BACKBONE_NAMES = {
    "BasicBlock": "torchvision.models.resnet.BasicBlock",
    "ResNet": "torchvision.models.resnet.ResNet",
    "IntermediateLayerGetter": "torchvision.models._utils.IntermediateLayerGetter",
}
LAYERS = ("[1, 3, 1, 1]", "[3, 1, 1, 1]", "[1, 1, 3, 1]")

OTHERS = (
    Host(
        "fcn",
        f"{SEGMENTATION}.fcn",
        "FCN",
        drawing(BACKBONE + "FCNHead(256, {classes})", layers=LAYERS),
        task=Task.SEGMENTATION,
        output="out",
        names=BACKBONE_NAMES,
        smooth=False,
    ),
    Host(
        "deeplabv3",
        f"{SEGMENTATION}.deeplabv3",
        "DeepLabV3",
        drawing(
            BACKBONE + "DeepLabHead(256, {classes}, atrous_rates={rates})",
            layers=LAYERS,
            rates=("[1, 2]", "[1, 2, 4]"),
        ),
        task=Task.SEGMENTATION,
        output="out",
        names=BACKBONE_NAMES,
        smooth=False,
    ),
    Host(
        "lraspp",
        f"{SEGMENTATION}.lraspp",
        "LRASPP",
        drawing(
            "IntermediateLayerGetter(MobileNetV2({classes}, inverted_residual_setting="
            "[[1, 64, 1, 1], [4, {low}, 2, 2], [4, 128, 2, 2]]).features, "
            "return_layers={{'1': 'low', '4': 'high'}}), "
            "64, 128, {classes}, inter_channels={inner}",
            low=(64, 96),
            inner=(64, 128),
        ),
        task=Task.SEGMENTATION,
        output="out",
        names={
            "MobileNetV2": "torchvision.models.mobilenetv2.MobileNetV2",
            "IntermediateLayerGetter": BACKBONE_NAMES["IntermediateLayerGetter"],
        },
        smooth=False,
    ),
    Host(
        "unet",
        f"{TEMPLATES}.unet",
        "UNet",
        drawing(
            "channels={width}, depth={depth}, num_classes={classes}",
            width=(4, 6, 8),
            depth=(2, 3),
        ),
        task=Task.SEGMENTATION,
        factors=(1,),
    ),
    Host(
        "autoencoder",
        f"{TEMPLATES}.autoencoder",
        "Autoencoder",
        drawing(
            "channels={width}, pixels={pixels}, code={code}",
            pixels=(16, 24, 32),
            width=(4, 6, 8),
            code=(12, 16, 24),
        ),
        task=Task.AUTOENCODER,
        factors=(1,),
    ),
)
