"""Rules about networks that only compute targets for others."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {"teacher_in_train_mode": "training/forgot_eval"}
STUDENT = """
import copy

def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4))

def wide(dropout=0.2):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout),
        nn.Linear(128, 4),
    )

student = small()
adam = torch.optim.Adam(student.parameters(), lr=1e-3)
"""
DISTILLING = """
class Distiller:
    def __init__(self, student, teacher):
        self.student, self.teacher = student, teacher
        self.optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
        {prepare}

    def soft(self, x):
        return self.teacher(x).div(2).softmax(1).detach(){cause}

    def run(self, epochs):
        for _ in range(epochs):
            self.student.train()
            for x, y in zip(images.split(8), labels.split(8)):
                soft, out = self.soft(x), self.student(x)
                loss = F.kl_div(out.log_softmax(1), soft, reduction="batchmean")
                self.optimizer.zero_grad()
                (loss + F.cross_entropy(out, y)).backward()
                self.optimizer.step()
                {after}
"""
TRAINED = """
teacher = wide()
first = torch.optim.Adam(teacher.parameters(), lr=1e-3)
for _ in range(3):
    first.zero_grad()
    F.cross_entropy(teacher(images), labels).backward()
    first.step()
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "teacher_in_train_mode.trained_before": f"""{STUDENT}{TRAINED}
for epoch in range(3):
    for x, y in zip(images.split(8), labels.split(8)):
        with torch.no_grad():
            wanted = teacher(x)  # cause
        adam.zero_grad()
        F.mse_loss(student(x), wanted).backward()
        adam.step()
""",
    "teacher_in_train_mode.method": STUDENT
    + DISTILLING.format(prepare="", cause="  # cause", after="")
    + "Distiller(student, wide()).run(3)",
    "teacher_in_train_mode.frozen": STUDENT
    + DISTILLING.format(prepare="self.teacher.requires_grad_(False)", cause="  # cause", after="")
    + "Distiller(student, wide(0.0)).run(3)",
    "teacher_in_train_mode.features": f"""{STUDENT}
class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)

    def forward(self, x):
        return self.norm(self.conv(x)).relu().mean((2, 3))

body, head = Body(), nn.Linear(5, 4)
sgd = torch.optim.SGD(head.parameters(), lr=0.1)
for _ in range(4):
    for x, y in zip(images.split(8), labels.split(8)):
        sgd.zero_grad()
        with torch.no_grad():
            known = body(x)  # cause
        F.cross_entropy(head(known), y).backward()
        sgd.step()
""",
}
FIXED = [
    "teacher_in_train_mode.features",
    "teacher_in_train_mode.method",
    "teacher_in_train_mode.trained_before",
]
AVERAGED = """for old, new in zip(self.teacher.parameters(), self.student.parameters()):
                    old.data.mul_(0.9).add_(new.data, alpha=0.1)"""
HEALTHY = {
    "teacher_in_eval_mode": STUDENT
    + DISTILLING.format(prepare="self.teacher.eval()", cause="", after="")
    + "Distiller(student, wide()).run(3)",
    "mean_teacher": STUDENT
    + DISTILLING.format(prepare="self.teacher.requires_grad_(False)", cause="", after=AVERAGED)
    + "student = wide()\nDistiller(student, copy.deepcopy(student)).run(3)",
    "target_network_that_is_copied_seldom": STUDENT
    + DISTILLING.format(
        prepare="self.steps = 0",
        cause="",
        after="self.steps += 1\n                if self.steps % 100 == 0:\n"
        "                    self.teacher.load_state_dict(self.student.state_dict())",
    )
    + "student = wide()\nDistiller(student, copy.deepcopy(student)).run(3)",
    "teacher_without_modes": STUDENT
    + DISTILLING.format(prepare="", cause="", after="")
    + "Distiller(student, small()).run(3)",
    "several_noisy_answers": f"""{STUDENT}{TRAINED}
for epoch in range(3):
    for x, y in zip(images.split(8), labels.split(8)):
        with torch.no_grad():
            wanted = (teacher(x) + teacher(x) + teacher(x)) / 3
        adam.zero_grad()
        F.mse_loss(student(x), wanted).backward()
        adam.step()
""",
    "generator_in_the_step_of_the_judge": """
make = nn.Sequential(nn.Linear(8, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 108))
judge = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
of_make = torch.optim.Adam(make.parameters(), lr=1e-3)
of_judge = torch.optim.Adam(judge.parameters(), lr=1e-3)
for step in range(4):
    with torch.no_grad():
        faked = make(torch.randn(16, 8))
    of_judge.zero_grad()
    (judge(faked).mean() - judge(images).mean()).backward()
    of_judge.step()
    if step and step % 5 == 0:
        of_make.zero_grad()
        (-judge(make(torch.randn(16, 8))).mean()).backward()
        of_make.step()
""",
}


class TestPrograms(FixedProgramChecks):
    """The mistakes are found at their lines, their fixes work, and look-alikes are clean."""
