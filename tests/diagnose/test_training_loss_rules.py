"""Rules about losses that train towards something else than what their documentation says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from judging import Judged, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "divergence_averaged_over_classes": "loss/kl_div_reduction",
}
TEACHING = """
teacher, student = Net().eval(), Net()
optimizer = torch.optim.SGD(student.parameters(), lr=0.01)

def batches():
    for start in range(0, 16, 4):
        with torch.no_grad():
            scores = teacher(images[start : start + 4])
        yield images[start : start + 4], scores
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "divergence_averaged_over_classes.layer": f"""{TEACHING}
criterion = nn.KLDivLoss()  # cause
for x, scores in batches():
    optimizer.zero_grad()
    criterion(student(x).log_softmax(-1), scores.softmax(-1)).backward()
    optimizer.step()
""",
    "divergence_averaged_over_classes.weighted": f"""{TEACHING}
class Distiller:
    def __init__(self, t=3.0, alpha=0.7):
        self.t, self.alpha = t, alpha

    def __call__(self, ours, theirs, y):
        p, q = F.log_softmax(ours / self.t, 1), F.softmax(theirs / self.t, 1)
        soft = F.kl_div(p, q, reduction="mean") * self.t * self.t  # cause
        return self.alpha * soft + (1 - self.alpha) * F.cross_entropy(ours, y)

loss = Distiller()
for step, (x, scores) in enumerate(batches()):
    optimizer.zero_grad()
    loss(student(x), scores, labels[4 * step : 4 * step + 4]).backward()
    optimizer.step()
""",
}
HEALTHY = {
    "divergence_of_a_batch": f"""{TEACHING}
for x, scores in batches():
    optimizer.zero_grad()
    loss = F.kl_div(student(x).log_softmax(1), scores.softmax(1), reduction="batchmean")
    loss.backward()
    optimizer.step()
""",
    "divergence_times_classes": f"""{TEACHING}
for x, scores in batches():
    optimizer.zero_grad()
    loss = F.kl_div(student(x).log_softmax(1), scores.softmax(1), reduction="mean")
    (0.5 * loss * scores.shape[1]).backward()
    optimizer.step()
""",
    "divergence_of_each_class": f"""{TEACHING}
for x, scores in batches():
    optimizer.zero_grad()
    each = nn.KLDivLoss(reduction="none")(student(x).log_softmax(1), scores.softmax(1))
    each.sum(1).mean().backward()
    optimizer.step()
""",
    "divergence_that_is_printed": f"""{TEACHING}
student.eval()
with torch.no_grad():
    for x, scores in batches():
        print(F.kl_div(student(x).log_softmax(1), scores.softmax(1)).item())
""",
    "divergence_of_pixels": """
heat = nn.Conv2d(3, 1, 3)(images).flatten(1).log_softmax(1)
goal = torch.rand(16, 16)
F.kl_div(heat, goal / goal.sum(1, keepdim=True), reduction="sum").div(16).backward()
""",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Judged]:
    return judge(tmp_path_factory.mktemp("programs"), BROKEN | HEALTHY)


@pytest.mark.parametrize("name", BROKEN)
def test_the_mistake_is_found_at_its_line(name: str, judged: Mapping[str, Judged]) -> None:
    rule = name.partition(".")[0]
    judged[name].assert_cause(rule, KINDS[rule])


FIXED = [name for name in BROKEN if name.startswith("divergence_averaged")]


@pytest.mark.parametrize("name", FIXED)
def test_the_first_fix_works(name: str, judged: Mapping[str, Judged]) -> None:
    judged[name].assert_fix(name.partition(".")[0])


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_that_looks_alike_is_clean(
    name: str, judged: Mapping[str, Judged]
) -> None:
    judged[name].assert_clean()
