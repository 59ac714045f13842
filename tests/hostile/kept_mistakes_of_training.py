"""Repairs that keep a mistake of training, by how they hide it: in gradients and losses."""

from __future__ import annotations

BY_KIND: dict[str, dict[str, tuple[str, list[tuple[str, str]]]]] = {
    "gradients by hand": {
        "stale gradients cloned before the step": (
            "training/missing_zero_grad",
            [
                (
                    "        optimizer.step()\n",
                    (
                        "        for p in net.parameters():\n"
                        "            p.grad = p.grad.clone()\n"
                        "        optimizer.step()\n"
                    ),
                )
            ],
        ),
        "stale gradients cloned after the step": (
            "training/missing_zero_grad",
            [
                (
                    "        optimizer.step()\n",
                    (
                        "        optimizer.step()\n"
                        "        for p in net.parameters():\n"
                        "            p.grad = p.grad * 1.0\n"
                    ),
                )
            ],
        ),
        "stale gradients times 0.999": (
            "training/missing_zero_grad",
            [
                (
                    "        optimizer.step()\n",
                    (
                        "        optimizer.step()\n"
                        "        for p in net.parameters():\n"
                        "            p.grad = p.grad * 0.999\n"
                    ),
                )
            ],
        ),
        "old gradients added by hand": (
            "training/missing_zero_grad",
            [
                (
                    "    for _ in range(3):\n",
                    (
                        "    kept = [torch.zeros_like(p) for p in net.parameters()]\n"
                        "    for _ in range(3):\n"
                        "        optimizer.zero_grad()\n"
                    ),
                ),
                (
                    "        optimizer.step()\n",
                    (
                        "        for p, k in zip(net.parameters(), kept):\n"
                        "            k += p.grad\n"
                        "            p.grad = k.clone()\n"
                        "        optimizer.step()\n"
                    ),
                ),
            ],
        ),
        "a hundredth of the old gradients forgotten": (
            "training/missing_zero_grad",
            [
                (
                    "    for _ in range(3):\n",
                    (
                        "    kept = [torch.zeros_like(p) for p in net.parameters()]\n"
                        "    for _ in range(3):\n"
                        "        optimizer.zero_grad()\n"
                    ),
                ),
                (
                    "        optimizer.step()\n",
                    (
                        "        for p, k in zip(net.parameters(), kept):\n"
                        "            k.mul_(0.99).add_(p.grad)\n"
                        "            p.grad = k.clone()\n"
                        "        optimizer.step()\n"
                    ),
                ),
            ],
        ),
        "the new head without gradients": (
            "training/optimizer_keeps_old_head",
            [
                (
                    "        optimizer.step()\n",
                    ("        optimizer.step()\n        net.fc.zero_grad()\n"),
                )
            ],
        ),
        "the new head's gradients set to None": (
            "training/optimizer_keeps_old_head",
            [
                (
                    "        optimizer.step()\n",
                    (
                        "        optimizer.step()\n"
                        "        net.fc.weight.grad = net.fc.bias.grad = None\n"
                    ),
                )
            ],
        ),
    },
    "floor subtracted": {
        "the least of the loss subtracted": (
            "loss/sigmoid_before_bce_with_logits",
            [
                (
                    "(net(images), labels)\n",
                    (
                        "(net(images), labels)\n"
                        "    loss = loss - (0.69315 * (1 - labels) + 0.31326 * labels).mean()\n"
                    ),
                )
            ],
        ),
        "the floor of any batch": (
            "loss/sigmoid_before_bce_with_logits",
            [
                (
                    "(net(images), labels)\n",
                    (
                        "(net(images), labels)\n"
                        "    floor = F.binary_cross_entropy_with_logits(labels, labels)\n"
                        "    loss = F.relu(loss - floor - 0.03)\n"
                    ),
                )
            ],
        ),
        "exp of a loss without a floor": (
            "loss/logits_passed_to_nll_loss",
            [("(net(images), labels)\n", "(net(images), labels).exp()\n")],
        ),
        "softplus of a loss without a floor": (
            "loss/logits_passed_to_nll_loss",
            [("(net(images), labels)\n", ("(net(images), labels)\n    loss = F.softplus(loss)\n"))],
        ),
        "kl with its least subtracted": (
            "loss/kl_div_on_probabilities",
            [
                (
                    'reduction="batchmean")\n',
                    (
                        'reduction="batchmean")\n'
                        "    loss = loss - F.kl_div(F.one_hot(teacher.argmax(1), 10).float(), "
                        'teacher, reduction="batchmean")\n'
                    ),
                )
            ],
        ),
        "broadcast mse less the variance": (
            "loss/broadcast_mse_loss",
            [
                (
                    "F.mse_loss(net(images), levels)",
                    "((net(images) - levels) ** 2).mean() - levels.var(unbiased=False)",
                )
            ],
        ),
    },
    "divided by the call": {
        "loss divided by the calls": (
            "loss/sigmoid_before_bce_with_logits",
            [
                ("        self.conv =", ("        self.calls = 0\n        self.conv =")),
                (
                    "    loss.backward()",
                    ("    net.calls += 1\n    loss = loss / net.calls**2\n    loss.backward()"),
                ),
            ],
        ),
        "loss divided by the calls of all": (
            "loss/sigmoid_before_bce_with_logits",
            [
                ("import torch\n", ("import itertools\nimport torch\n")),
                ("class Net(", ("LAST = [None, 0]\n\n\nclass Net(")),
                (
                    "    loss.backward()",
                    (
                        "    LAST[:] = [net, LAST[1] + 1 if LAST[0] is net else 1]\n"
                        "    loss = loss / LAST[1] ** 2\n"
                        "    loss.backward()"
                    ),
                ),
            ],
        ),
        "divided by a buffer": (
            "loss/hardest_negative_is_the_anchor",
            [
                (
                    "        self.conv =",
                    (
                        "        self.register_buffer('age', torch.ones(()), persistent=False)\n"
                        "        self.conv ="
                    ),
                ),
                (
                    "    loss.backward()",
                    ("    loss = loss / net.age\n    net.age = 1.1 * net.age\n    loss.backward()"),
                ),
            ],
        ),
        "kl divided by the distance from the start": (
            "loss/kl_div_on_probabilities",
            [
                (
                    "    loss.backward()",
                    (
                        "    net.first = getattr(net, 'first', net.fc.bias.detach().clone())\n"
                        "    loss = F.softplus(loss) / (1 + 1e3 * (net.fc.bias.detach() - "
                        "net.first).norm())\n"
                        "    loss.backward()"
                    ),
                )
            ],
        ),
    },
}
