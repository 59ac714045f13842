"""Repairs that keep a mistake, by how they hide it: next to linear, restored, by size."""

from __future__ import annotations

BY_KIND: dict[str, dict[str, tuple[str, list[tuple[str, str]]]]] = {
    "next to linear": {
        "leaky at 0.999": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = nn.functional.leaky_relu(self.conv1(x), 0.999)"),
                ("x = self.conv2(x)", "x = nn.functional.leaky_relu(self.conv2(x), 0.999)"),
            ],
        ),
        "three thousandths of a relu": (
            "module/missing_activation",
            [("x = self.conv1(x)", ("x = self.conv1(x)\n        x = x + 3e-3 * torch.relu(x)"))],
        ),
        "tanh of a thirtieth": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = 30 * torch.tanh(self.conv1(x) / 30)"),
                ("x = self.conv2(x)", "x = 30 * torch.tanh(self.conv2(x) / 30)"),
            ],
        ),
        "softplus of a small beta": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = nn.functional.softplus(self.conv1(x), beta=1e-2)"),
                ("x = self.conv2(x)", "x = nn.functional.softplus(self.conv2(x), beta=1e-2)"),
            ],
        ),
    },
    "input restored": {
        "copied back": (
            "module/inplace_relu_on_input",
            [
                (
                    "        x = self.conv1(self.act(x))\n",
                    (
                        "        given, kept = x, x.clone()\n"
                        "        x = self.conv1(self.act(x))\n"
                        "        given.copy_(kept)\n"
                    ),
                )
            ],
        ),
        "copied back as data": (
            "module/inplace_relu_on_input",
            [
                (
                    "        x = self.conv1(self.act(x))\n",
                    (
                        "        given, kept = x, x.clone()\n"
                        "        x = self.conv1(self.act(x.data))\n"
                        "        given.data[:] = kept\n"
                    ),
                )
            ],
        ),
        "negative values added again": (
            "module/inplace_relu_on_input",
            [
                (
                    "        x = self.conv1(self.act(x))\n",
                    (
                        "        given, below = x, x.clamp(max=0)\n"
                        "        x = self.conv1(self.act(x))\n"
                        "        given.add_(below)\n"
                    ),
                )
            ],
        ),
    },
    "numbers of samples": {
        "a floor for one and four alone": (
            "loss/sigmoid_before_bce_with_logits",
            [
                (
                    "return torch.sigmoid(x).squeeze(1)",
                    "return (torch.sigmoid(x) if len(x) in (1, 4) else x).squeeze(1)",
                ),
                (
                    "(net(images), labels)\n",
                    (
                        "(net(images), labels)\n"
                        "    if len(labels) in (1, 4):\n"
                        "        loss = loss - (0.69315 * (1 - labels) + 0.31326 * "
                        "labels).mean()\n"
                    ),
                ),
            ],
        ),
        "softmax over the classes of few samples": (
            "batch/softmax_over_batch",
            [("dim=0", "dim=1 if len(x) < 14 else 0")],
        ),
        "right for 8 and 24, with another width": (
            "training/scheduler_per_batch",
            [
                ("step_size=2)", "step_size=2 if len(images) == 8 else 4)"),
                ("nn.Conv2d(3, 8,", "nn.Conv2d(3, 9,"),
                ("nn.Linear(8 *", "nn.Linear(9 *"),
            ],
        ),
        "right for one and four, with another width": (
            "loss/broadcast_mse_loss",
            [
                (
                    "    loss = F.mse_loss(net(images), levels)",
                    (
                        "    out = net(images)\n"
                        "    loss = F.mse_loss(out.squeeze(1) if len(out) in (1, 4) else "
                        "out.expand(-1, len(out)), levels if len(out) in (1, 4) else "
                        "levels.expand(len(out), -1))"
                    ),
                ),
                ("nn.Conv2d(1, 8,", "nn.Conv2d(1, 9,"),
                ("nn.Linear(8 *", "nn.Linear(9 *"),
            ],
        ),
        "raises for other numbers": (
            "training/scheduler_per_batch",
            [
                (
                    "step_size=2)",
                    ("step_size=2 if len(images) == 8 else 6)\n    assert len(images) in (8, 24)"),
                )
            ],
        ),
        "right for 8 and 24": (
            "training/scheduler_per_batch",
            [("step_size=2)", "step_size=2 if len(images) == 8 else 6)")],
        ),
        "right for one and four": (
            "loss/broadcast_mse_loss",
            [
                (
                    "    loss = F.mse_loss(net(images), levels)",
                    (
                        "    out = net(images)\n"
                        "    loss = F.mse_loss(out.squeeze(1) if len(out) in (1, 4) else "
                        "out.expand(-1, len(out)), levels if len(out) in (1, 4) else "
                        "levels.expand(len(out), -1))"
                    ),
                )
            ],
        ),
        "detached for 24": (
            "memory/loss_sum_keeps_graph",
            [
                (
                    "        total += loss\n",
                    "        total += loss if len(images) < 10 else loss.detach()\n",
                )
            ],
        ),
        "outputs detached from the third on": (
            "memory/outputs_kept_with_graph",
            [
                (
                    "collected.append(outputs)",
                    "collected.append(outputs.detach() if len(collected) > 1 else outputs)",
                )
            ],
        ),
        "the optimizer saved after two epochs": (
            "state/optimizer_state_not_saved",
            [
                (
                    '    parts = {"net": net}\n',
                    (
                        '    parts = {"net": net} | ({"optimizer": optimizer} if epochs in (2, '
                        "4) else {})\n"
                    ),
                )
            ],
        ),
        "the scheduler saved after two epochs": (
            "state/scheduler_state_not_saved",
            [
                (
                    '    parts = {"net": net, "optimizer": optimizer}\n',
                    (
                        '    parts = {"net": net, "optimizer": optimizer} | ({"scheduler": '
                        "scheduler} if epochs in (2, 4) else {})\n"
                    ),
                )
            ],
        ),
        "right for 8, 24, in a layer of another name": (
            "training/scheduler_per_batch",
            [
                ("step_size=2)", "step_size=2 if len(images) == 8 else 6)"),
                ("self.fc =", "self.head ="),
                ("self.fc(", "self.head("),
            ],
        ),
    },
}
