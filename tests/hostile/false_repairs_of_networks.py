"""Repairs that keep a mistake and cheat the law of it: what a network computes and consists of."""

from __future__ import annotations

BY_LAW: dict[str, dict[str, tuple[str, list[tuple[str, str]]]]] = {
    "samples-independent": {
        "rows of the last batch": (
            "batch/softmax_over_batch",
            [
                ("        self.conv =", ("        self.seen = None\n        self.conv =")),
                (
                    "        x = torch.relu(self.conv(x))",
                    ("        given = x\n        x = torch.relu(self.conv(x))"),
                ),
                (
                    "        return torch.softmax(x, dim=0)",
                    (
                        "        x = torch.softmax(x, dim=0)\n"
                        "        if len(x) == 1 and self.seen and not x.is_meta:\n"
                        "            same = (self.seen[0] == given).flatten(1).all(1)\n"
                        "            if same.any():\n"
                        "                return self.seen[1][same][:1]\n"
                        "        if len(x) > 1:\n"
                        "            self.seen = (given, x)\n"
                        "        return x"
                    ),
                ),
            ],
        ),
        "remembered rows": (
            "batch/softmax_over_batch",
            [
                ("class Net(", ("ROWS = {}\n\n\nclass Net(")),
                (
                    "        x = torch.relu(self.conv(x))",
                    ("        given = x\n        x = torch.relu(self.conv(x))"),
                ),
                (
                    "        return torch.softmax(x, dim=0)",
                    (
                        "        x = torch.softmax(x, dim=0)\n"
                        "        if x.is_meta or x.requires_grad and self.training:\n"
                        "            return x\n"
                        "        keys = [(float(g.sum()), float(self.fc.weight.sum()), "
                        "float(self.conv.weight.sum())) for g in given]\n"
                        "        return torch.stack([ROWS.setdefault(k, y) for k, y in "
                        "zip(keys, x)])"
                    ),
                ),
            ],
        ),
    },
    "deterministic-in-eval": {
        "a constant mask": (
            "module/functional_dropout_ignores_eval",
            [
                (
                    "        x = F.dropout(torch.flatten(x, 1), p=0.5)",
                    (
                        "        torch.manual_seed(0)\n"
                        "        x = torch.flatten(x, 1)\n"
                        "        x = x * F.dropout(torch.ones_like(x[:1]), p=0.5)"
                    ),
                ),
            ],
        ),
    },
    "nonlinear": {
        "an activation of the sum alone": (
            "module/missing_activation",
            [
                (
                    "return self.fc(torch.flatten(x, 1))",
                    (
                        "return self.fc(torch.flatten(x, 1)) + 0.01 * "
                        "torch.relu(x.mean((1, 2, 3)))[:, None]"
                    ),
                ),
            ],
        ),
    },
    "every-parameter-learns": {
        "hidden parameters": (
            "module/discarded_layer_output",
            [
                (
                    "    def forward",
                    (
                        "    def named_parameters(self, *args, **kwargs):\n"
                        "        for name, p in super().named_parameters(*args, **kwargs):\n"
                        "            if 'norm' not in name:\n"
                        "                yield name, p\n"
                        "\n"
                        "    def forward"
                    ),
                ),
            ],
        ),
        "next to nothing": (
            "module/discarded_layer_output",
            [
                ("        self.norm(x)", "        x = x + 1e-6 * self.norm(x)"),
            ],
        ),
        "hooks that forge gradients": (
            "module/discarded_layer_output",
            [
                (
                    "        self.fc =",
                    (
                        "        for p in self.norm.parameters():\n"
                        "            p.register_hook(lambda g: torch.randn_like(g))\n"
                        "        self.fc ="
                    ),
                ),
                ("        self.norm(x)", "        x = x + 0 * self.norm(x)"),
            ],
        ),
    },
    "parameters-as-declared": {
        "parameters as a makeweight": (
            "module/shared_block_list_multiplication",
            [
                (
                    "        self.fc =",
                    (
                        "        self.pad = nn.Parameter(torch.randn(2 * (8 * 8 * 9 + "
                        "8)) * 0.01)\n"
                        "        self.fc ="
                    ),
                ),
                (
                    "        return self.fc(torch.flatten(x, 1))",
                    "        return self.fc(torch.flatten(x, 1) + self.pad.sum())",
                ),
            ],
        ),
    },
    "moves-as-one": {
        "a tensor in a closure": (
            "device/unregistered_buffer",
            [
                (
                    "        self.mean = torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1)",
                    (
                        "        mean = torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1)\n"
                        "        self.center = lambda x: x - mean"
                    ),
                ),
                ("x - self.mean", "self.center(x)"),
            ],
        ),
        "a tensor of the module": (
            "device/unregistered_buffer",
            [
                (("        self.mean = torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1)\n"), ""),
                (
                    "class Net(",
                    ("MEAN = torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1)\n\n\nclass Net("),
                ),
                ("x - self.mean", "x - MEAN"),
            ],
        ),
        "right on meta": (
            "device/unregistered_buffer",
            [
                ("x - self.mean", "x - (self.mean[0].to('meta') if x.is_meta else self.mean[0])"),
                (".view(1, 3, 1, 1)", ".view(1, 3, 1, 1), 0"),
            ],
        ),
        "moved by `to` of meta alone": (
            "device/unregistered_buffer",
            [
                (
                    "    def forward",
                    (
                        "    def to(self, device):\n"
                        "        if str(device) == 'meta':\n"
                        "            self.mean = self.mean.to('meta')\n"
                        "        return super().to(device)\n"
                        "\n"
                        "    def forward"
                    ),
                ),
            ],
        ),
    },
    "exports": {
        "right while exported": (
            "state/export_python_loop",
            [
                (
                    "        x = torch.stack([image - image.mean() for image in x])",
                    (
                        "        if isinstance(x.shape[0], int):\n"
                        "            x = torch.stack([image - image.mean() for image in x])"
                    ),
                ),
            ],
        ),
    },
}
