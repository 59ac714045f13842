"""Scores by which nms() ranks boxes."""

from __future__ import annotations

from rule_checks import ProgramChecks

MARK = "  # cause"
DETECTOR = """
from torchvision import ops
from torchvision.ops import batched_nms, nms

corners = torch.rand(24, 2) * 20
boxes = torch.cat([corners, corners + 8], 1)
net = nn.Sequential(nn.Flatten(), nn.Linear(108, 24 * 4))
F.cross_entropy(net(images)[:, :4], labels).backward()

{choose}

with torch.no_grad():
    for row in net(images):
        print(len(choose(boxes, row.view(24, 4).softmax(1))))
"""


def detector(choose: str) -> str:
    return DETECTOR.format(choose=choose)


BROKEN = {
    "boxes_ranked_by_class": detector(
        "def choose(boxes, probabilities):\n"
        "    scores, classes = probabilities.max(1)\n"
        f"    keep = batched_nms(boxes, classes.float(), classes, 0.5){MARK}\n"
        "    return boxes[keep], scores[keep]"
    ),
    "boxes_ranked_by_class.argmax": detector(
        "def choose(boxes, probabilities):\n"
        "    labels = probabilities.argmax(dim=-1)\n"
        "    sure = probabilities.amax(1)\n"
        "    best = sure > 0.3\n"
        "    boxes, labels, sure = boxes[best], labels[best], sure[best]\n"
        f"    keep = ops.nms(boxes, scores=labels.to(boxes.dtype), iou_threshold=0.5){MARK}\n"
        "    return boxes[keep]"
    ),
    "boxes_ranked_by_class.cast_before": detector(
        "def choose(boxes, probabilities):\n"
        "    conf, ids = probabilities.topk(1)\n"
        "    conf, ids = conf[:, 0], ids[:, 0]\n"
        f"    rank = ids.float(){MARK}\n"
        "    return boxes[batched_nms(boxes, rank, ids, 0.5)]"
    ),
    "boxes_ranked_by_class.rows": detector(
        "def choose(boxes, probabilities):\n"
        "    conf, ids = probabilities.max(1)\n"
        "    rows = torch.cat([boxes, conf[:, None], ids[:, None].float()], 1)\n"
        f"    return rows[nms(rows[:, :4], rows[:, 5], 0.5)]{MARK}"
    ),
    "boxes_ranked_by_class.wrapper": detector(
        "def suppress(boxes, scores, groups):\n"
        "    return batched_nms(boxes, scores, groups, 0.5)\n\n"
        "def choose(boxes, probabilities):\n"
        "    conf, ids = probabilities.max(1)\n"
        f"    keep = suppress(boxes, ids.float(), torch.zeros_like(ids)){MARK}\n"
        "    return conf[keep]"
    ),
    "boxes_ranked_by_class.exchanged": detector(
        "def choose(boxes, probabilities):\n"
        "    conf, ids = probabilities.max(1)\n"
        f"    return batched_nms(boxes, ids.float(), conf, 0.5){MARK}"
    ),
}
HEALTHY = {
    "by_score": detector(
        "def choose(boxes, probabilities):\n"
        "    scores, classes = probabilities.max(1)\n"
        "    return boxes[batched_nms(boxes, scores, classes, 0.5)]"
    ),
    "by_score_of_rows": detector(
        "def choose(boxes, probabilities):\n"
        "    conf, ids = probabilities.max(1)\n"
        "    rows = torch.cat([boxes, conf[:, None], ids[:, None].float()], 1)\n"
        "    return rows[batched_nms(rows[:, :4], rows[:, 4], rows[:, 5], 0.5)]"
    ),
    "by_votes": detector(
        "def choose(boxes, probabilities):\n"
        "    share = probabilities.amax(1)\n"
        "    votes = (probabilities > 0.2).sum(1)\n"
        "    return boxes[nms(boxes, votes.float(), 0.5)], share"
    ),
    "by_rank": detector(
        "def choose(boxes, probabilities):\n"
        "    share = probabilities.amax(1)\n"
        "    rank = share.argsort().argsort()\n"
        "    return boxes[nms(boxes, rank.float(), 0.5)]"
    ),
    "by_area": detector(
        "def choose(boxes, probabilities):\n"
        "    share = probabilities.amax(1)\n"
        "    area = ops.box_area(boxes).round()\n"
        "    return boxes[nms(boxes, area, 0.5)], share"
    ),
    "whole_scores_of_a_smoke_test": detector(
        "def choose(boxes, probabilities):\n"
        "    return boxes[nms(boxes, torch.ones(24), 0.5)], probabilities.amax(1)"
    ),
    "order_of_reading": detector(
        "def choose(boxes, probabilities):\n"
        "    share = probabilities.amax(1)\n"
        "    return boxes[nms(boxes, torch.arange(24.0).flip(0), 0.5)], share"
    ),
    "grade_without_any_score": detector(
        "def choose(boxes, probabilities):\n"
        "    grade = probabilities.argmax(1)\n"
        "    return boxes[nms(boxes, grade.float(), 0.5)]"
    ),
    "class_times_score": detector(
        "def choose(boxes, probabilities):\n"
        "    conf, ids = probabilities.max(1)\n"
        "    return boxes[nms(boxes, ids + conf, 0.5)]"
    ),
}
KINDS = {"boxes_ranked_by_class": "detection"}


class TestPrograms(ProgramChecks):
    pass
