"""Repairs that keep a mistake, by how they hide it: in what a run returns or keeps."""

from __future__ import annotations

BY_KIND: dict[str, dict[str, tuple[str, list[tuple[str, str]]]]] = {
    "copied too late": {
        "copied at the return": (
            "state/best_state_not_copied",
            [
                ("import torch\n", ("import copy\nimport torch\n")),
                ("    return best\n", "    return copy.deepcopy(best)\n"),
            ],
        ),
        "cloned at the return": (
            "state/best_state_not_copied",
            [
                (
                    "    return best\n",
                    "    return {name: value.clone() for name, value in best.items()}\n",
                )
            ],
        ),
        "copied after the step": (
            "state/best_state_not_copied",
            [
                ("import torch\n", ("import copy\nimport torch\n")),
                (
                    "        optimizer.step()\n",
                    ("        optimizer.step()\n        kept = copy.deepcopy(best)\n"),
                ),
                ("    return best\n", "    return kept\n"),
            ],
        ),
        "copied of the network at the end": (
            "state/best_state_not_copied",
            [
                ("import torch\n", ("import copy\nimport torch\n")),
                (
                    "    return best\n",
                    ("    best = copy.deepcopy(net).state_dict()\n    return best\n"),
                ),
            ],
        ),
    },
    "graph kept elsewhere": {
        "losses kept by the network": (
            "memory/loss_sum_keeps_graph",
            [
                (
                    "        total += loss\n",
                    (
                        "        total += loss.detach()\n"
                        "        net.losses = [*getattr(net, 'losses', []), loss]\n"
                    ),
                )
            ],
        ),
        "losses kept by the module": (
            "memory/loss_sum_keeps_graph",
            [
                ("def run(net", ("KEPT = []\n\n\ndef run(net")),
                (
                    "        total += loss\n",
                    ("        total += loss.detach()\n        KEPT.append(loss)\n"),
                ),
            ],
        ),
        "the sum kept by the network": (
            "memory/loss_sum_keeps_graph",
            [
                (
                    "    return total / len(loader)",
                    ("    net.total = total\n    return total.detach() / len(loader)"),
                )
            ],
        ),
        "outputs kept by a function": (
            "memory/outputs_kept_with_graph",
            [
                ("def run(net, images, labels):", "def run(net, images, labels, kept=[]):"),
                (
                    "collected.append(outputs)",
                    ("collected.append(outputs.detach())\n        kept.append(outputs)"),
                ),
            ],
        ),
        "outputs kept by a class": (
            "memory/outputs_kept_with_graph",
            [
                (
                    "        collected.append(outputs)",
                    (
                        "        collected.append(outputs.detach())\n"
                        "        Net.kept = (getattr(Net, 'kept', None), outputs)"
                    ),
                )
            ],
        ),
    },
    "detached at the end": {
        "the sum detached at the end": (
            "memory/loss_sum_keeps_graph",
            [("return total / len(loader)", "return total.detach() / len(loader)")],
        ),
        "the sum detached at the end, without hooks": (
            "memory/loss_sum_keeps_graph",
            [
                ("return total / len(loader)", "return total.detach() / len(loader)"),
                ("net(batch)", "net.forward(batch)"),
            ],
        ),
        "the sum detached in place": (
            "memory/loss_sum_keeps_graph",
            [("    return total", ("    total.detach_()\n    return total"))],
        ),
        "a number of the sum": (
            "memory/loss_sum_keeps_graph",
            [("return total / len(loader)", "return torch.tensor(total.item()) / len(loader)")],
        ),
        "outputs detached at the end": (
            "memory/outputs_kept_with_graph",
            [("return torch.cat(collected)", "return torch.cat(collected).detach()")],
        ),
        "outputs detached one by one at the end": (
            "memory/outputs_kept_with_graph",
            [
                (
                    "return torch.cat(collected)",
                    "return torch.cat([one.detach() for one in collected])",
                )
            ],
        ),
        "probabilities detached at the end": (
            "memory/missing_no_grad_at_inference",
            [("return torch.cat(batches)", "return torch.cat(batches).detach()")],
        ),
        "no_grad around the concatenation": (
            "memory/missing_no_grad_at_inference",
            [
                (
                    "    return torch.cat(batches)",
                    ("    with torch.no_grad():\n        return torch.cat(batches)"),
                )
            ],
        ),
    },
    "nan_to_num on a result": {
        "NaN replaced in the history": (
            "training/learning_rate_too_high",
            [
                (
                    "return torch.stack(history)",
                    "return torch.nan_to_num(torch.stack(history), 0, 0, 0)",
                )
            ],
        ),
        "the history clamped": (
            "training/learning_rate_too_high",
            [
                (
                    "return torch.stack(history)",
                    "return torch.nan_to_num(torch.stack(history)).clamp(max=1e6)",
                )
            ],
        ),
        "NaN replaced in each loss": (
            "training/learning_rate_too_high",
            [
                (
                    "history.append(loss.detach())",
                    "history.append(loss.detach().nan_to_num(0, 0, 0))",
                )
            ],
        ),
        "finite losses only": (
            "training/learning_rate_too_high",
            [
                (
                    "history.append(loss.detach())",
                    "history.append(loss.detach() if loss.isfinite() else torch.zeros(()))",
                )
            ],
        ),
        "NaN replaced in the loss": (
            "data/nan_targets_in_loss",
            [("F.mse_loss(net(images), depths)", "F.mse_loss(net(images), depths).nan_to_num()")],
        ),
        "zero in place of infinity": (
            "loss/ctc_infinite",
            [("widths, lengths)", "widths, lengths, zero_infinity=True)")],
        ),
    },
}
