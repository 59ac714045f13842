"""A torchvision detector at the smallest size: losses in train mode, boxes in eval mode."""

import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign


def build_detector(classes=2):
    backbone = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
    )
    backbone.out_channels = 16
    return FasterRCNN(
        backbone,
        num_classes=classes,
        min_size=32,
        max_size=32,
        rpn_anchor_generator=AnchorGenerator(sizes=((8, 16),), aspect_ratios=((1.0,),)),
        box_roi_pool=MultiScaleRoIAlign(featmap_names=["0"], output_size=3, sampling_ratio=2),
        rpn_pre_nms_top_n_train=40,
        rpn_post_nms_top_n_train=20,
        rpn_pre_nms_top_n_test=20,
        rpn_post_nms_top_n_test=10,
        box_batch_size_per_image=16,
    )


def scene():
    image = 0.1 * torch.rand(3, 32, 32)
    left, top = torch.randint(0, 20, (2,)).tolist()
    image[:, top : top + 12, left : left + 12] += 0.8
    box = torch.tensor([[left, top, left + 12, top + 12]], dtype=torch.float32)
    return image, {"boxes": box, "labels": torch.ones(1, dtype=torch.int64)}


def train(model, steps):
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.005, momentum=0.9, weight_decay=5e-4)
    model.train()
    for _ in range(steps):
        images, targets = zip(*(scene() for _ in range(2)))
        losses = model(list(images), list(targets))
        loss = sum(losses.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {name: round(value.item(), 3) for name, value in losses.items()}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = build_detector()
    print(train(model, 3))
    model.eval()
    with torch.no_grad():
        found = model([scene()[0]])
    print(sorted(found[0]), len(found))
