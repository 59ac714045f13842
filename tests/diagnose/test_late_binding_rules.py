"""Hooks that are made in a loop and share its variable."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

MARK = "  # cause"
FEATURES = """
net = Net().eval()
found, handles = {{}}, []
for name, layer in net.named_children():
    {body}
with torch.no_grad():
    net(images)
print(sorted(found))
"""
GRADIENTS = """
def follow(net, norms):
    {before}
    for index, parameter in enumerate(net.parameters()):
        def note(gradient{default}):{mark}
            norms.append((index, gradient.norm().item()))
        parameter.register_hook(note)

net, norms = Net(), []
follow(net, norms)
F.cross_entropy(net(images), labels).backward()
print(norms)
"""
STORES = "layer.register_forward_hook(lambda m, i, o{default}: found.update({{{key}: o.mean()}}))"


def features(default: str = "", key: str = "name", mark: str = "", body: str = "") -> str:
    return FEATURES.format(body=body or STORES.format(default=default, key=key) + mark)


def gradients(**parts: str) -> str:
    return GRADIENTS.format(**({"before": "pass", "default": "", "mark": ""} | parts))


BROKEN = {
    "hooks_share_a_loop_variable": features(mark=MARK),
    "hooks_share_a_loop_variable.of_gradients": gradients(mark=MARK),
}
KINDS = {"hooks_share_a_loop_variable": "module"}
FIXED = list(BROKEN)
HEALTHY = {
    "default_argument": features(default=", name=name"),
    "own_argument": features(key="type(m).__name__"),
    "factory": features(
        body="make = lambda name: lambda m, i, o: found.update({name: o.mean()})\n"
        "    layer.register_forward_hook(make(name))"
    ),
    "partial": features(
        body="from functools import partial\n    layer.register_forward_hook(partial("
        "lambda name, m, i, o: found.update({name: o.mean()}), name))"
    ),
    "removed_before_the_next": features(
        body="handle = layer.register_forward_hook(lambda m, i, o: found.update({name: o.mean()}))"
        "\n    net(images)\n    handle.remove()"
    ),
    "default_argument_of_gradients": gradients(default=", index=index"),
    "each_network_runs_before_the_next": """
seen, networks = [], {"one": Net(), "other": Net()}
for name, net in networks.items():
    net.conv.register_forward_hook(lambda m, i, o: seen.append((name, o.mean().item())))
    with torch.no_grad():
        net.eval()(images)
print(seen)
""",
    "variable_of_an_outer_loop": """
net = Net()
seen = []
for epoch in range(2):
    handles = []
    for layer in net.children():
        handles.append(layer.register_forward_hook(lambda m, i, o: seen.append((epoch, m))))
    net(images)
    for handle in handles:
        handle.remove()
print(len(seen))
""",
    "current_step": """
net, seen = Net(), []
def note(module, inputs, output):
    seen.append(step)
for layer in net.children():
    layer.register_forward_hook(note)
for step in range(3):
    net(images)
print(seen)
""",
    "never_called_again": features().replace("    net(images)", "    print(images.shape)"),
}


class TestPrograms(FixedProgramChecks):
    pass
