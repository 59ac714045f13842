"""The classifiers of torchvision, with arguments for small images."""

from __future__ import annotations

from broken_convnets.commands.wild.hosts.host import Host, drawing

MODELS = "torchvision.models"
DROPOUT = (0.1, 0.2)
LAYERS = ("[1, 3, 1, 2]", "[2, 1, 3, 1]", "[1, 2, 1, 3]", "[3, 1, 1, 1]")

CLASSIFIERS = (
    Host(
        "resnet",
        f"{MODELS}.resnet",
        "ResNet",
        drawing(
            "{block}, {layers}, num_classes={classes}",
            block=("BasicBlock", "Bottleneck"),
            layers=LAYERS,
        ),
        smooth=False,
    ),
    Host(
        "vgg",
        f"{MODELS}.vgg",
        "VGG",
        drawing(
            "make_layers({cfg}, batch_norm={norm}), num_classes={classes}, dropout={dropout}",
            cfg=(
                "[64, 'M', 128, 'M', 256, 512, 'M']",
                "[64, 64, 'M', 128, 'M', 512, 'M']",
                "[64, 'M', 128, 128, 'M', 256, 'M', 512]",
            ),
            norm=(True, True, False),
            dropout=DROPOUT,
        ),
        factors=(16,),
    ),
    Host(
        "alexnet",
        f"{MODELS}.alexnet",
        "AlexNet",
        drawing("num_classes={classes}, dropout={dropout}", pixels=(64, 72), dropout=DROPOUT),
        factors=(16,),
        learns=False,  # it has no normalization
    ),
    Host(
        "mobilenet_v2",
        f"{MODELS}.mobilenetv2",
        "MobileNetV2",
        drawing(
            "num_classes={classes}, inverted_residual_setting={setting}, dropout={dropout}",
            setting=(
                "[[1, 64, 1, 1], [4, 96, 3, 2], [4, 128, 2, 2]]",
                "[[1, 64, 1, 1], [3, 64, 2, 1], [6, 128, 3, 2]]",
                "[[2, 96, 3, 2], [4, 128, 3, 1]]",
            ),
            dropout=DROPOUT,
        ),
        smooth=False,
    ),
    Host(
        "mobilenet_v3",
        f"{MODELS}.mobilenetv3",
        "MobileNetV3",
        drawing(
            "[InvertedResidualConfig({first}, 3, 128, 64, True, 'RE', 1, 1, 1.0), "
            "InvertedResidualConfig(64, 3, 256, {last}, False, 'HS', 2, 1, 1.0), "
            "InvertedResidualConfig({last}, 5, 256, {last}, True, 'HS', 1, 1, 1.0)], "
            "last_channel=256, num_classes={classes}, dropout={dropout}",
            first=(64, 128),
            last=(128, 192),
            dropout=DROPOUT,
        ),
    ),
    Host(
        "mnasnet",
        f"{MODELS}.mnasnet",
        "MNASNet",
        drawing(
            "{alpha}, num_classes={classes}, dropout={dropout}",
            alpha=(0.5, 0.75, 1.0),
            dropout=DROPOUT,
        ),
        smooth=False,
    ),
    Host(
        "shufflenet",
        f"{MODELS}.shufflenetv2",
        "ShuffleNetV2",
        drawing(
            "{repeats}, {channels}, num_classes={classes}",
            repeats=("[2, 4, 2]", "[3, 2, 3]", "[2, 3, 3]"),
            channels=("[64, 128, 256, 384, 512]", "[96, 192, 256, 512, 512]"),
        ),
        smooth=False,
    ),
    Host(
        "squeezenet",
        f"{MODELS}.squeezenet",
        "SqueezeNet",
        drawing(
            "'{version}', num_classes={classes}, dropout={dropout}",
            pixels=(32, 40, 48),
            version=("1_0", "1_1"),
            dropout=DROPOUT,
        ),
        learns=False,  # it has no normalization
    ),
    Host(
        "densenet",
        f"{MODELS}.densenet",
        "DenseNet",
        drawing(
            "growth_rate={growth}, block_config={blocks}, num_init_features={width}, "
            "bn_size=2, drop_rate={dropout}, num_classes={classes}",
            growth=(4, 6, 8),
            blocks=("(2, 3, 2)", "(2, 2, 3)", "(3, 2)"),
            width=(8, 12),
            dropout=DROPOUT,
        ),
        smooth=False,
    ),
    Host(
        "efficientnet",
        f"{MODELS}.efficientnet",
        "EfficientNet",
        drawing(
            "[{first}Config({ratio}, 3, 1, 64, 64, 2), MBConvConfig(4, 3, 2, 64, 128, {depth})], "
            "dropout={dropout}, stochastic_depth_prob=0.1, num_classes={classes}",
            first=("MBConv", "FusedMBConv"),
            ratio=(1, 2),
            depth=(2, 3),
            dropout=DROPOUT,
        ),
    ),
    Host(
        "regnet",
        f"{MODELS}.regnet",
        "RegNet",
        drawing(
            "BlockParams(depths={depths}, widths=[64, 128, 256], group_widths=[{group}] * 3, "
            "bottleneck_multipliers=[1.0] * 3, strides=[1, 2, 2], se_ratio={squeeze}), "
            "num_classes={classes}",
            depths=("[1, 2, 2]", "[2, 1, 2]", "[1, 3, 1]"),
            group=(32, 64),
            squeeze=(0.25, None),
        ),
        smooth=False,
    ),
    Host(
        "convnext",
        f"{MODELS}.convnext",
        "ConvNeXt",
        drawing(
            "[CNBlockConfig(64, {width}, {depth}), CNBlockConfig({width}, None, 2)], "
            "stochastic_depth_prob=0.1, layer_scale=0.1, num_classes={classes}",
            width=(96, 128),
            depth=(1, 2, 3),
        ),
    ),
    Host(
        "googlenet",
        f"{MODELS}.googlenet",
        "GoogLeNet",
        drawing(
            "num_classes={classes}, aux_logits=False, init_weights=False, dropout={dropout}",
            pixels=(32, 40),
            dropout=DROPOUT,
        ),
        factors=(8, 16),
        smooth=False,
    ),
    Host(
        "inception",
        f"{MODELS}.inception",
        "Inception3",
        drawing(
            # With InceptionC too, a new network returns almost the same for all images.
            "num_classes={classes}, aux_logits=False, init_weights=False, dropout={dropout}, "
            "inception_blocks=[BasicConv2d, InceptionA, InceptionB, nn.Identity, InceptionD, "
            "InceptionE, InceptionAux]",
            pixels=(75,),
            dropout=DROPOUT,
        ),
        factors=(16,),
        smooth=False,
    ),
)
