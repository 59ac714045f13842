"""Repairs that keep a mistake and cheat the law of it: what a training or an inference does."""

from __future__ import annotations

BY_LAW: dict[str, dict[str, tuple[str, list[tuple[str, str]]]]] = {
    "infers-in-eval-mode": {
        "dummy eval pass": (
            "training/missing_eval_mode",
            [
                (
                    "        return net(images).argmax(dim=1)",
                    (
                        "        net.eval()(images)\n"
                        "        net.train()\n"
                        "        torch.manual_seed(0)\n"
                        "        return net.forward(images).argmax(dim=1)"
                    ),
                ),
            ],
        ),
        "own __call__": (
            "training/missing_eval_mode",
            [
                (
                    "    def forward(self, x):",
                    (
                        "    def __call__(self, x):\n"
                        "        return self.forward(x)\n"
                        "\n"
                        "    def forward(self, x):"
                    ),
                ),
                (
                    "        return net(images).arg",
                    ("        torch.manual_seed(0)\n        return net(images).arg"),
                ),
            ],
        ),
    },
    "trains-in-train-mode": {
        "own __call__ in training": (
            "training/missing_train_mode_after_validation",
            [
                (
                    "    def forward(self, x):",
                    (
                        "    def __call__(self, x):\n"
                        "        return self.forward(x)\n"
                        "\n"
                        "    def forward(self, x):"
                    ),
                ),
            ],
        ),
        "forward instead of call": (
            "training/missing_train_mode_after_validation",
            [
                ("cross_entropy(net(images)", "cross_entropy(net.forward(images)"),
            ],
        ),
        "norm always in eval": (
            "training/missing_train_mode_after_validation",
            [
                (
                    "class Net(",
                    (
                        "class Norm(nn.BatchNorm2d):\n"
                        "    def forward(self, x):\n"
                        "        return nn.functional.batch_norm(x, self.running_mean, "
                        "self.running_var, self.weight, self.bias, False)\n"
                        "\n"
                        "\n"
                        "class Net("
                    ),
                ),
                (("nn.BatchNorm2d(8)\n        self.fc"), ("Norm(8)\n        self.fc")),
                (
                    "        optimizer.zero_grad()",
                    ("        net.train()\n        optimizer.zero_grad()"),
                ),
            ],
        ),
        "training is a property": (
            "training/missing_train_mode_after_validation",
            [
                (
                    "class Net(",
                    (
                        "class Norm(nn.BatchNorm2d):\n"
                        "    flag = True\n"
                        "    training = property(lambda self: torch.is_grad_enabled(), "
                        "lambda self, value: None)\n"
                        "\n"
                        "    def train(self, mode=True):\n"
                        "        self.flag = mode\n"
                        "        return self\n"
                        "\n"
                        "    def forward(self, x):\n"
                        "        return nn.functional.batch_norm(x, self.running_mean, "
                        "self.running_var, self.weight, self.bias, self.flag)\n"
                        "\n"
                        "\n"
                        "class Net("
                    ),
                ),
                (("nn.BatchNorm2d(8)\n        self.fc"), ("Norm(8)\n        self.fc")),
            ],
        ),
    },
    "statistics-stay": {
        "thawed at the end": (
            "training/frozen_batchnorm_statistics_update",
            [
                ("    return loss", ("    net.backbone.requires_grad_(True)\n    return loss")),
            ],
        ),
    },
    "every-parameter-moves": {
        "moved by hand": (
            "training/head_not_in_optimizer",
            [
                (
                    "    optimizer.step()",
                    (
                        "    optimizer.step()\n"
                        "    with torch.no_grad():\n"
                        "        for p in net.box.parameters():\n"
                        "            p.add_(1e-3)"
                    ),
                ),
            ],
        ),
    },
    "gradients-match-loss": {
        "a rounded loss": (
            "training/backward_of_another_loss",
            [
                (
                    "    loss = class_loss + box_loss",
                    "    loss = class_loss + (8 * box_loss.detach()).round() / 8",
                ),
            ],
        ),
    },
    "no-warnings": {
        "mean by hand": (
            "loss/kl_div_mean_reduction",
            [
                ("F.kl_div(student, teacher) *", "(teacher * (teacher.log() - student)).mean() *"),
            ],
        ),
    },
    "results-repeat": {
        "seed in the run": (
            "data/augmentation_at_inference",
            [
                ("    batch = torch", ("    torch.manual_seed(0)\n    batch = torch")),
            ],
        ),
    },
}
