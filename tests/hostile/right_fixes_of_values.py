"""Right fixes of values that look like repairs that keep the mistake, by case."""

from __future__ import annotations

BY_CASE: dict[str, dict[str, tuple[str, list[tuple[str, str]]]]] = {
    "loss/sigmoid_before_bce_with_logits": {
        "sigmoid and bce": (
            "loss/sigmoid_before_bce_with_logits",
            [("binary_cross_entropy_with_logits", "binary_cross_entropy")],
        ),
    },
    "loss/kl_div_on_probabilities": {
        "log_softmax": (
            "loss/kl_div_on_probabilities",
            [("F.softmax(net(images), dim=1)", "torch.log_softmax(net(images), 1)")],
        ),
        "log of softmax": (
            "loss/kl_div_on_probabilities",
            [("F.softmax(net(images), dim=1)", "F.softmax(net(images), dim=1).log()")],
        ),
    },
    "loss/logits_passed_to_nll_loss": {
        "log_softmax in the run": (
            "loss/logits_passed_to_nll_loss",
            [("net(images), labels", "F.log_softmax(net(images), 1), labels")],
        ),
    },
    "state/best_state_not_copied": {
        "each tensor cloned in time": (
            "state/best_state_not_copied",
            [
                (
                    "net.state_dict()",
                    "{name: value.clone() for name, value in net.state_dict().items()}",
                )
            ],
        ),
    },
    "module/missing_activation": {
        "tanh as activation": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = torch.tanh(self.conv1(x))"),
                ("x = self.conv2(x)", "x = torch.tanh(self.conv2(x))"),
            ],
        ),
        "gelu as activation": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = nn.functional.gelu(self.conv1(x))"),
                ("x = self.conv2(x)", "x = nn.functional.gelu(self.conv2(x))"),
            ],
        ),
        "leaky relu as activation": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = nn.functional.leaky_relu(self.conv1(x), 0.3)"),
                ("x = self.conv2(x)", "x = nn.functional.leaky_relu(self.conv2(x), 0.3)"),
            ],
        ),
        "sigmoid as activation": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = torch.sigmoid(self.conv1(x))"),
                ("x = self.conv2(x)", "x = torch.sigmoid(self.conv2(x))"),
            ],
        ),
        "softplus as activation": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = nn.functional.softplus(self.conv1(x))"),
                ("x = self.conv2(x)", "x = nn.functional.softplus(self.conv2(x))"),
            ],
        ),
        "silu as activation": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = nn.functional.silu(self.conv1(x))"),
                ("x = self.conv2(x)", "x = nn.functional.silu(self.conv2(x))"),
            ],
        ),
        "elu as activation": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = nn.functional.elu(self.conv1(x))"),
                ("x = self.conv2(x)", "x = nn.functional.elu(self.conv2(x))"),
            ],
        ),
        "one activation": (
            "module/missing_activation",
            [("x = self.conv1(x)", "x = torch.relu(self.conv1(x))")],
        ),
        "two activations": (
            "module/missing_activation",
            [
                ("x = self.conv1(x)", "x = torch.relu(self.conv1(x))"),
                ("x = self.conv2(x)", "x = torch.relu(self.conv2(x))"),
            ],
        ),
    },
    "module/inplace_relu_on_input": {
        "relu of a clone": (
            "module/inplace_relu_on_input",
            [("self.conv1(self.act(x))", "self.conv1(self.act(x.clone()))")],
        ),
        "relu as a function": (
            "module/inplace_relu_on_input",
            [("self.conv1(self.act(x))", "self.conv1(torch.relu(x))")],
        ),
    },
    "loss/broadcast_mse_loss": {
        "levels with a dimension more": (
            "loss/broadcast_mse_loss",
            [(("levels)\n    loss.b"), ("levels[:, None])\n    loss.b"))],
        ),
    },
    "training/nan_log_of_zero": {
        "NaN of a product with zero replaced": (
            "training/nan_log_of_zero",
            [
                (
                    "(shares * (shares.log() - predicted))",
                    "(shares * (shares.log() - predicted)).nan_to_num()",
                )
            ],
        ),
        "xlogy for the shares": (
            "training/nan_log_of_zero",
            [
                (
                    "shares * (shares.log() - predicted)",
                    "torch.xlogy(shares, shares) - shares * predicted",
                )
            ],
        ),
    },
    "training/nan_sqrt_of_zero": {
        "an epsilon under the root": (
            "training/nan_sqrt_of_zero",
            [(".sum(dim=1).sqrt()", ".sum(dim=1).add(1e-8).sqrt()")],
        ),
        "a clamp under the root": (
            "training/nan_sqrt_of_zero",
            [(".sum(dim=1).sqrt()", ".sum(dim=1).clamp(min=1e-6).sqrt()")],
        ),
    },
    "data/division_by_zero_std": {
        "an epsilon beside the deviation": (
            "data/division_by_zero_std",
            [("/ deviation", "/ (deviation + 1e-5)")],
        ),
        "NaN of a grey image replaced by zero": (
            "data/division_by_zero_std",
            [("/ deviation", ("/ deviation\n        x = x.nan_to_num()"))],
        ),
    },
    "data/nan_targets_in_loss": {
        "targets masked after replacing NaN": (
            "data/nan_targets_in_loss",
            [
                (
                    "F.mse_loss(net(images), depths)",
                    "((net(images) - depths.nan_to_num()) ** 2)[~depths.isnan()].mean()",
                )
            ],
        ),
    },
}
