"""Tiny programs whose forward pass is sound and whose run, data or metric breaks one law."""

from __future__ import annotations

from broken_convnets.vocabulary import Law
from kit import TRAINED, patched

LOSS = "    loss = nn.functional.cross_entropy(net(x), labels)\n    loss.backward()\n"
LAYERS = "        self.fc = nn.Linear(4 * 2 * 2, 5)\n"
RETURNED = "self.fc(torch.flatten(x, 1))"
GUARD = "\n\nif __name__"

# A whole epoch: two steps, then validation, with a layer that train mode changes.
EPOCH = patched(
    ("kernel_size=3)", "kernel_size=3, bias=False)"),
    (LAYERS, f"{LAYERS}        self.norm = nn.BatchNorm2d(4)\n"),
    ("torch.relu(self.conv(x))", "torch.relu(self.norm(self.conv(x)))"),
    (
        LOSS,
        (
            "    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
            "    for _ in range(2):\n"
            "        net.train()\n"
            "        optimizer.zero_grad()\n"
            "        loss = nn.functional.cross_entropy(net(x), labels)\n"
            "        loss.backward()\n"
            "        optimizer.step()\n"
            "        net.eval()\n"
            "        with torch.no_grad():\n"
            "            net(x)\n"
        ),
    ),
    source=TRAINED,
)
TOTAL = patched(
    (
        LOSS,
        (
            "    loss = 0.0\n"
            "    for batch, some in zip(x.split(4), labels.split(4)):\n"
            "        part = nn.functional.cross_entropy(net(batch), some)\n"
            "        part.backward()\n"
            "        loss = loss + part.detach()\n"
        ),
    ),
    source=TRAINED,
)
INFERENCE = patched(
    (
        GUARD,
        "\n\n@torch.no_grad()\ndef run(net, x):\n    net.eval()\n    return net(x)\n" + GUARD,
    )
)
SCALED = patched(
    (
        LOSS,
        (
            "    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
            "    scaler = torch.amp.GradScaler(x.device.type)\n"
            "    loss = nn.functional.cross_entropy(net(x), labels)\n"
            "    scaler.scale(loss).backward()\n"
            "    scaler.unscale_(optimizer)\n"
            "    nn.utils.clip_grad_norm_(net.parameters(), max_norm=0.5)\n"
            "    scaler.step(optimizer)\n"
            "    scaler.update()\n"
        ),
    ),
    source=TRAINED,
)
LOADED = patched(
    (
        GUARD,
        (
            "\n\ndef example_loader():\n"
            "    images = torch.randn(20, 2, 4, 4)\n"
            "    return torch.utils.data.DataLoader(images, batch_size=4, shuffle=True)\n"
            "\n\nif __name__"
        ),
    )
)
SCORE = "def score(outputs, labels):\n    return (outputs.argmax(1) == labels).float().mean()\n"
SCORING = patched(("\n\ndef run(", f"\n\n{SCORE}\n\ndef run("), source=TRAINED)
CLIPPED = patched(
    (
        "        optimizer.step()\n",
        "        nn.utils.clip_grad_norm_(net.parameters(), 0.01)\n        optimizer.step()\n",
    ),
    source=EPOCH,
)
REPLACED = patched(
    ("    optimizer =", "    net.fc = nn.Linear(16, 5)\n    optimizer ="), source=EPOCH
)
# A schedule that halves the learning rate after each of two epochs.
SCHEDULED = patched(
    (
        LOSS,
        (
            "    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
            "    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)\n"
            "    for _ in range(2):\n"
            "        for batch, some in zip(x.split(2), labels.split(2)):\n"
            "            optimizer.zero_grad()\n"
            "            loss = nn.functional.cross_entropy(net(batch), some)\n"
            "            loss.backward()\n"
            "            optimizer.step()\n"
            "        scheduler.step()\n"
        ),
    ),
    source=TRAINED,
)
# The sum of the biases is 0, so close to the kink at 1e-6 that each step one way passes it.
KINK = patched(
    (LAYERS, f"{LAYERS}        nn.init.zeros_(self.fc.bias)\n"),
    ("labels)\n    loss", "labels) + (net.fc.bias.sum() - 1e-6).abs()\n    loss"),
    source=TRAINED,
)
HEALTHY_RUNS = {
    "epoch": EPOCH,
    "clipped": CLIPPED,
    "total": TOTAL,
    "inference": INFERENCE,
    "loader": LOADED,
    "score": SCORING,
    "schedule": SCHEDULED,
    "scaled": SCALED,
    "kink": KINK,
}

SICK_RUNS: dict[str, tuple[set[Law], str]] = {
    "a summed loss": (
        {Law.LOSS_AVERAGES_OVER_SAMPLES},
        patched(("net(x), labels)", "net(x), labels, reduction='sum')"), source=TRAINED),
    ),
    "gradients that pile up": (
        {Law.GRADIENTS_ARE_FRESH},
        patched(("        optimizer.zero_grad()\n", ""), source=EPOCH),
    ),
    "gradients that pile up in a layer made by the run": (
        {Law.GRADIENTS_ARE_FRESH, Law.ONE_BATCH_CAN_BE_LEARNED},
        patched(("optimizer.zero_grad()", "net.conv.zero_grad()"), source=REPLACED),
    ),
    "a loss without a floor": (
        {Law.ONE_BATCH_CAN_BE_LEARNED},
        patched(("cross_entropy(net(x)", "nll_loss(net(x)"), source=TRAINED),
    ),
    "gradients cleared of one layer only": (
        {Law.GRADIENTS_ARE_FRESH},
        patched(("optimizer.zero_grad()", "net.fc.zero_grad()"), source=EPOCH),
    ),
    "an optimizer for one layer only": (
        {Law.EVERY_PARAMETER_MOVES, Law.GRADIENTS_ARE_FRESH},
        patched(("SGD(net.parameters()", "SGD(net.fc.parameters()"), source=EPOCH),
    ),
    "a learning rate of nothing": (
        {Law.EVERY_PARAMETER_MOVES},
        patched(("lr=0.1", "lr=0.0"), source=EPOCH),
    ),
    "no way back from validation": (
        {Law.TRAINS_IN_TRAIN_MODE},
        patched(("        net.train()\n", ""), source=EPOCH),
    ),
    "validation in train mode": (
        {Law.INFERS_IN_EVAL_MODE},
        patched(("        net.eval()\n", ""), source=EPOCH),
    ),
    "inference with a graph": (
        {Law.INFERENCE_BUILDS_NO_GRAPH},
        patched(("@torch.no_grad()\n", ""), source=INFERENCE),
    ),
    "a count that goes on in eval mode": (
        {Law.STATISTICS_STAY},
        patched(
            (LAYERS, f"{LAYERS}        self.register_buffer('seen', torch.zeros(1))\n"),
            ("        x = torch.relu", "        self.seen += 1\n        x = torch.relu"),
            source=INFERENCE,
        ),
    ),
    "a total of losses with their graphs": (
        {Law.MEMORY_FLAT},
        patched(("part.detach()", "part"), source=TOTAL),
    ),
    "a loader that does not shuffle": (
        {Law.EPOCHS_DIFFER},
        patched((", shuffle=True", ""), source=LOADED),
    ),
    "a loader that repeats a sample": (
        {Law.EPOCHS_DIFFER},
        patched(
            (
                "    images = torch.randn(20, 2, 4, 4)\n",
                "    images = torch.randn(20, 2, 4, 4)\n    images[0] = images[1]\n",
            ),
            source=LOADED,
        ),
    ),
    "a metric that broadcasts": (
        {Law.PERFECT_SCORES_ONE},
        patched(("argmax(1)", "argmax(1, keepdim=True)"), source=SCORING),
    ),
    "a metric that likes every answer": (
        {Law.PERFECT_SCORES_ONE},
        patched(("outputs.argmax(1) == labels", "labels == labels"), source=SCORING),
    ),
    "a step of the schedule after each batch": (
        {Law.LEARNING_RATE_PER_EPOCH},
        patched(("        scheduler.step()", "            scheduler.step()"), source=SCHEDULED),
    ),
    "backward of half of the loss": (
        {Law.GRADIENTS_MATCH_LOSS},
        patched(("loss.backward()", "(loss / 2).backward()"), source=TRAINED),
    ),
    "backward of half of a loss with a kink": (
        {Law.GRADIENTS_MATCH_LOSS},
        patched(("loss.backward()", "(loss / 2).backward()"), source=KINK),
    ),
    "a penalty without gradient": (
        {Law.GRADIENTS_MATCH_LOSS, Law.ONE_BATCH_CAN_BE_LEARNED},
        patched(
            ("labels)\n    loss", "labels) + net.fc.weight.square().sum().item()\n    loss"),
            source=TRAINED,
        ),
    ),
    "a weight that is normalized through .data": (
        {Law.EXPORTS, Law.GRADIENTS_MATCH_LOSS},
        patched(
            (
                "        x = torch.relu",
                (
                    "        self.fc.weight.data /= self.fc.weight.data.norm(dim=1, keepdim=True)\n"
                    "        x = torch.relu"
                ),
            ),
            source=TRAINED,
        ),
    ),
    "gradients that are clipped with their scale": (
        {Law.LOSS_SCALE_CANCELS},
        patched(("scaler.unscale_(optimizer)", "net.zero_grad"), source=SCALED),
    ),
    "a random flip at inference": (
        {Law.RESULTS_REPEAT},
        patched(("return net(x)", "return net(x + 0.1 * torch.randn_like(x))"), source=INFERENCE),
    ),
}
