"""Right fixes of what a run does that look like repairs that keep the mistake, by case."""

from __future__ import annotations

BY_CASE: dict[str, dict[str, tuple[str, list[tuple[str, str]]]]] = {
    "training/missing_zero_grad": {
        "zero_grad after the step": (
            "training/missing_zero_grad",
            [
                (
                    "        optimizer.step()\n",
                    ("        optimizer.step()\n        optimizer.zero_grad()\n"),
                )
            ],
        ),
        "gradients set to None by hand": (
            "training/missing_zero_grad",
            [
                (
                    "        optimizer.step()\n",
                    (
                        "        optimizer.step()\n"
                        "        for p in net.parameters():\n"
                        "            p.grad = None\n"
                    ),
                )
            ],
        ),
        "gradients set to zero by hand": (
            "training/missing_zero_grad",
            [
                (
                    "        loss.backward()\n",
                    (
                        "        for p in net.parameters():\n"
                        "            if p.grad is not None:\n"
                        "                p.grad.zero_()\n"
                        "        loss.backward()\n"
                    ),
                )
            ],
        ),
        "gradients of autograd.grad": (
            "training/missing_zero_grad",
            [
                (
                    "        loss.backward()\n",
                    (
                        "        for p, g in zip(net.parameters(), torch.autograd.grad(loss, "
                        "net.parameters())):\n"
                        "            p.grad = g\n"
                    ),
                )
            ],
        ),
    },
    "training/gradients_accumulate_to_a_sum": {
        "gradients divided by hand": (
            "training/gradients_accumulate_to_a_sum",
            [
                (
                    "    return total",
                    (
                        "    for p in net.parameters():\n"
                        "        p.grad /= len(parts)\n"
                        "    return total"
                    ),
                )
            ],
        ),
        "one backward for all": (
            "training/gradients_accumulate_to_a_sum",
            [
                (
                    ("        loss.backward()\n        total += loss.detach() / len(parts)\n"),
                    ("        total = total + loss / len(parts)\n    total.backward()\n"),
                ),
                ("return total", "return total.detach()"),
            ],
        ),
    },
    "training/clipping_before_unscale": {
        "clipped to the scale of the scaled gradients": (
            "training/clipping_before_unscale",
            [("max_norm=1.0", "max_norm=1.0 * scaler.get_scale()")],
        ),
        "unscaled on another line": (
            "training/clipping_before_unscale",
            [("        nn.utils", ("        scaler.unscale_(optimizer)\n        nn.utils"))],
        ),
    },
    "training/scheduler_per_batch": {
        "a step size in batches": (
            "training/scheduler_per_batch",
            [("step_size=2)", "step_size=2 * len(images.split(4)))")],
        ),
        "a step per epoch": (
            "training/scheduler_per_batch",
            [("            scheduler.step()\n", "        scheduler.step()\n")],
        ),
        "the rate of each epoch by hand": (
            "training/scheduler_per_batch",
            [
                ("            scheduler.step()\n", ""),
                (
                    "    for _ in range(4):\n",
                    (
                        "    for _ in range(4):\n"
                        "        optimizer.param_groups[0]['lr'] = 0.1 * 0.1 ** (_ // 2)\n"
                    ),
                ),
            ],
        ),
    },
    "memory/loss_sum_keeps_graph": {
        "a sum of numbers": (
            "memory/loss_sum_keeps_graph",
            [
                ("total += loss", "total += loss.item()"),
                ("return total / len(loader)", "return torch.tensor(total) / len(loader)"),
            ],
        ),
        "a sum under no_grad": (
            "memory/loss_sum_keeps_graph",
            [
                (
                    "        total += loss\n",
                    ("        with torch.no_grad():\n            total += loss\n"),
                )
            ],
        ),
    },
    "memory/outputs_kept_with_graph": {
        "outputs detached one by one": (
            "memory/outputs_kept_with_graph",
            [("collected.append(outputs)", "collected.append(outputs.detach().clone())")],
        ),
        "outputs collected under no_grad": (
            "memory/outputs_kept_with_graph",
            [
                (
                    "        collected.append(outputs)\n",
                    ("        with torch.no_grad():\n            collected.append(outputs * 1)\n"),
                )
            ],
        ),
    },
    "memory/missing_no_grad_at_inference": {
        "no_grad as a decorator": (
            "memory/missing_no_grad_at_inference",
            [("def run(net", ("@torch.no_grad()\ndef run(net"))],
        ),
        "inference_mode as a decorator": (
            "memory/missing_no_grad_at_inference",
            [("def run(net", ("@torch.inference_mode()\ndef run(net"))],
        ),
        "all images in one batch": (
            "memory/missing_no_grad_at_inference",
            [
                (
                    (
                        "    batches = [net(batch).softmax(dim=1) for batch in images.split(2)]\n"
                        "    return torch.cat(batches)"
                    ),
                    ("    with torch.no_grad():\n        return net(images).softmax(dim=1)"),
                )
            ],
        ),
        "each batch detached": (
            "memory/missing_no_grad_at_inference",
            [("net(batch).softmax(dim=1)", "net(batch).softmax(dim=1).detach()")],
        ),
    },
    "training/learning_rate_too_high": {
        "a rate of 0.001": ("training/learning_rate_too_high", [("lr=100", "lr=0.001")]),
        "a rate of 1e-4": ("training/learning_rate_too_high", [("lr=100", "lr=1e-4")]),
        "Adam with its own rate": (
            "training/learning_rate_too_high",
            [("SGD(net.parameters(), lr=100)", "Adam(net.parameters())")],
        ),
        "a rate of 0.03": ("training/learning_rate_too_high", [("lr=100", "lr=0.03")]),
    },
    "training/head_not_in_optimizer": {
        "the head in a group with a tenth of the rate": (
            "training/head_not_in_optimizer",
            [
                (
                    "torch.optim.SGD(weights, lr=0.01)",
                    (
                        "torch.optim.SGD([{'params': weights}, {'params': net.box.parameters(), "
                        "'lr': 0.001}], lr=0.01)"
                    ),
                )
            ],
        ),
        "the head in a group with ten times the rate": (
            "training/head_not_in_optimizer",
            [
                (
                    "torch.optim.SGD(weights, lr=0.01)",
                    (
                        "torch.optim.SGD([{'params': weights}, {'params': net.box.parameters(), "
                        "'lr': 0.1}], lr=0.01)"
                    ),
                )
            ],
        ),
        "the head added to the optimizer": (
            "training/head_not_in_optimizer",
            [
                (
                    "    optimizer.zero_grad()",
                    (
                        "    optimizer.add_param_group({'params': net.box.parameters()})\n"
                        "    optimizer.zero_grad()"
                    ),
                )
            ],
        ),
    },
    "training/optimizer_keeps_old_head": {
        "the new head added to the optimizer": (
            "training/optimizer_keeps_old_head",
            [
                (
                    "    turns =",
                    ("    optimizer.add_param_group({'params': net.fc.parameters()})\n    turns ="),
                )
            ],
        ),
    },
}
