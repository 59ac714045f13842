"""Repairs that keep a mistake of training, by how they hide it: in the steps of an optimizer."""

from __future__ import annotations

BY_KIND: dict[str, dict[str, tuple[str, list[tuple[str, str]]]]] = {
    "clip without effect": {
        "clipped to a billion": (
            "training/clipping_before_unscale",
            [("max_norm=1.0", "max_norm=1e9")],
        ),
        "clipped to infinity": (
            "training/clipping_before_unscale",
            [("max_norm=1.0", 'max_norm=float("inf")')],
        ),
        "no parameter clipped": (
            "training/clipping_before_unscale",
            [
                (
                    "clip_grad_norm_(net.parameters(), max",
                    "clip_grad_norm_([*net.parameters()][:0], max",
                )
            ],
        ),
        "clipped before backward": (
            "training/clipping_before_unscale",
            [
                ("        nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)\n", ""),
                (
                    ("        with torch.autocast(device):\n            loss"),
                    (
                        "        nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)\n"
                        "        with torch.autocast(device):\n"
                        "            loss"
                    ),
                ),
            ],
        ),
        "the generator's clip of copies": (
            "training/clip_grad_norm_exhausted_generator",
            [
                (
                    (
                        "    weights = net.parameters()\n"
                        "    optimizer = torch.optim.SGD(weights, lr=0.01)"
                    ),
                    (
                        "    weights = [p.detach().clone().requires_grad_() for p in "
                        "net.parameters()]\n"
                        "    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)"
                    ),
                ),
                (
                    "        optimizer.zero_grad()\n",
                    (
                        "        optimizer.zero_grad()\n"
                        "        sum(w.sum() for w in weights).backward()\n"
                    ),
                ),
            ],
        ),
        "the generator's clip of one bias": (
            "training/clip_grad_norm_exhausted_generator",
            [("clip_grad_norm_(weights,", "clip_grad_norm_([net.fc.bias],")],
        ),
    },
    "learning rate by hand": {
        "rate of the last step": (
            "training/scheduler_per_batch",
            [
                (
                    ("            optimizer.step()\n            scheduler.step()\n"),
                    (
                        "            if _ == 3:\n"
                        "                optimizer.param_groups[0]['lr'] = 0.01\n"
                        "            optimizer.step()\n"
                        "            scheduler.step()\n"
                    ),
                )
            ],
        ),
        "rate of the last batch": (
            "training/scheduler_per_batch",
            [
                (
                    ("            optimizer.step()\n            scheduler.step()\n"),
                    (
                        "            if _ == 3 and batch is images.split(4)[-1] or "
                        "torch.equal(batch[-1], images[-1]) and _ == 3:\n"
                        "                optimizer.param_groups[0]['lr'] = 0.01\n"
                        "            optimizer.step()\n"
                        "            scheduler.step()\n"
                    ),
                )
            ],
        ),
        "a floor of the rate": (
            "training/scheduler_per_batch",
            [
                (
                    "            scheduler.step()\n",
                    (
                        "            scheduler.step()\n"
                        "            optimizer.param_groups[0]['lr'] = "
                        "max(optimizer.param_groups[0]['lr'], 0.01)\n"
                    ),
                )
            ],
        ),
        "two epochs only": (
            "training/scheduler_per_batch",
            [
                (
                    "            scheduler.step()\n",
                    (
                        "            scheduler.step()\n"
                        "            if _ == 2:\n"
                        "                optimizer.param_groups[0]['lr'] = 0.01\n"
                        "                scheduler = torch.optim.lr_scheduler.StepLR(optimizer, "
                        "step_size=200)\n"
                    ),
                )
            ],
        ),
    },
    "rate of next to nothing": {
        "a rate of 1e-12": ("training/learning_rate_too_high", [("lr=100", "lr=1e-12")]),
        "a rate of 1e-7": ("training/learning_rate_too_high", [("lr=100", "lr=1e-7")]),
        "steps clipped to next to nothing": (
            "training/learning_rate_too_high",
            [
                (
                    "        optimizer.step()\n",
                    (
                        "        nn.utils.clip_grad_norm_(net.parameters(), 1e-9)\n"
                        "        optimizer.step()\n"
                    ),
                )
            ],
        ),
        "the forgotten head at 1e-7": (
            "training/head_not_in_optimizer",
            [
                (
                    "torch.optim.SGD(weights, lr=0.01)",
                    (
                        "torch.optim.SGD([{'params': weights}, {'params': net.box.parameters(), "
                        "'lr': 1e-7}], lr=0.01)"
                    ),
                )
            ],
        ),
        "the whole warmup at 1e-6": (
            "training/missing_scheduler_step",
            [
                (
                    "        optimizer.step()\n",
                    ("        optimizer.param_groups[0]['lr'] = 1e-6\n        optimizer.step()\n"),
                )
            ],
        ),
    },
}
