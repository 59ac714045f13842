"""Rules about layers that stay random or frozen after a load, and traces of control flow."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

SAVED = """
import warnings
warnings.filterwarnings("ignore", category=FutureWarning)
torch.save({"state_dict": Net().state_dict()}, "net.pt")
weights = torch.load("net.pt")["state_dict"]
"""
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "random_after_load.filter": f"""{SAVED}
net = Net()
kept = {{k: v for k, v in weights.items() if "head" not in k}}  # cause
net.load_state_dict(kept, strict=False)
with torch.no_grad():
    print(net.eval()(images).argmax(1))
""",
    "random_after_load.popped": f"""{SAVED}
class Predictor:
    def __init__(self, weights):
        self.net = Net()
        for name in [name for name in weights if name.startswith("head")]:
            weights.pop(name)
        self.net.load_state_dict(weights, strict=False)  # cause
        self.net.eval()

    @torch.inference_mode()
    def __call__(self, x):
        return self.net(x).softmax(1)

Predictor(weights)(images)
""",
    "random_after_load.renamed": f"""{SAVED}
class Wrapper(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = Net()
        self.backbone.head = nn.Identity()
        self.classifier = nn.Linear(80, 4)

    def forward(self, x):
        return self.classifier(self.backbone(x))

net = Wrapper()
weights = {{f"backbone.{{k}}": v for k, v in weights.items()}}
net.load_state_dict(weights, strict=False)  # cause
net.eval()
print(net(images))
""",
    "control_flow_traced.branch": f"""{SAVED}
class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        if x.mean() > 0:  # cause
            x = x - x.mean()
        return self.conv(x).mean((2, 3))

traced = torch.jit.trace(Gate().eval(), images)
traced.save("gate.pt")
""",
    "control_flow_traced.loop": f"""{SAVED}
class PerImage(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        rows = []
        for image in x:  # cause
            rows.append(self.conv(image[None]).mean((2, 3)))
        return torch.cat(rows)

def export(net, example):
    with torch.no_grad():
        return torch.jit.trace(net, (example,))

net = PerImage().eval()
net(images)
export(net, images[:2])
""",
}
TUNING = f"""{SAVED}
class Tuned(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        self.neck = nn.Conv2d(8, 6, 3)
        self.fc = nn.Linear(6 * 2 * 2, 4)

    def forward(self, x):
        return self.fc(torch.relu(self.neck(self.body(x))).flatten(1))

trained = Tuned()
net = Tuned()
net.body.load_state_dict(trained.body.state_dict())

def train(net):
    free = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(free, lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
"""
BROKEN["new_layer_frozen.by_name"] = f"""{TUNING}
for name, parameter in net.named_parameters():
    parameter.requires_grad = "fc" in name  # cause
train(net)
"""
BROKEN["new_layer_frozen.all_but_the_last"] = f"""{TUNING}
def freeze(layers):
    for layer in layers:
        layer.requires_grad_(False)  # cause

freeze(list(net.children())[:-1])
train(net)
"""
CLASSIFIER = """
import torchvision
photos, kinds = torch.randn(6, 3, 32, 32), torch.tensor([0, 1, 2, 2, 1, 0])

def step(net, kinds):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    optimizer.zero_grad()
    F.cross_entropy(net(photos), kinds).backward()
    optimizer.step()
"""
BROKEN["head_of_imagenet.plain"] = f"""{CLASSIFIER}
step(torchvision.models.squeezenet1_1(), kinds)  # cause
"""
KINDS = {
    "traced_in_train_mode": "state/trace_control_flow",
    "head_of_imagenet": "training/head_not_replaced",
    "new_layer_frozen": "training/frozen_layers",
    "random_after_load": "state/head_not_loaded",
    "control_flow_traced.branch": "state/export_data_dependent",
    "control_flow_traced.loop": "state/trace_control_flow",
}
BROKEN["traced_in_train_mode.after_training"] = """
import io

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for x, y in zip(images.split(8), labels.split(8)):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
file = io.BytesIO()
torch.jit.save(torch.jit.trace(net, images[:2], check_trace=False), file)  # cause
file.seek(0)
served = torch.jit.load(file).eval()
with torch.no_grad():
    print(served(images[:3]).argmax(1))
"""
BROKEN["traced_in_train_mode.attribute"] = """
class Service:
    def __init__(self, net):
        self.net = net
        self.fast = torch.jit.trace(func=net, example_inputs=images, check_trace=False)  # cause
        self.fast.eval()

    def answer(self, x):
        with torch.inference_mode():
            return self.fast(x).softmax(1)

print(Service(Net()).answer(images))
"""
FIXED = {
    "traced_in_train_mode.after_training",
    "random_after_load.filter",
    "head_of_imagenet.plain",
}
HEALTHY = {
    "traced_in_eval_mode": """
net = Net()
F.cross_entropy(net(images), labels).backward()
served = torch.jit.trace(net.eval(), images[:1])
print(served(images).argmax(1))
""",
    "traced_for_training": """
net = Net()
fast = torch.jit.trace(net, images, check_trace=False)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(fast(images), labels).backward()
    optimizer.step()
""",
    "traced_without_modes": """
net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 4))
with torch.no_grad():
    print(torch.jit.trace(net, images)(images).argmax(1))
""",
    "head_for_the_labels": f"""{CLASSIFIER}
step(torchvision.models.squeezenet1_1(num_classes=3), kinds)
""",
    "labels_of_imagenet": f"""{CLASSIFIER}
step(torchvision.models.squeezenet1_1(), torch.tensor([1, 7, 404, 980, 12, 3]))
""",
    "freezes_what_is_loaded": f"""{TUNING}
net.body.requires_grad_(False)
train(net)
""",
    "freezes_fixed_filters": f"""{TUNING}
with torch.no_grad():
    net.neck.weight.zero_()
    net.neck.weight[:, :, 1, 1] = 1.0
for part in (net.body, net.neck):
    part.requires_grad_(False)
train(net)
""",
    "random_features_without_any_load": f"""{TUNING}
other = Tuned()
for part in (other.body, other.neck):
    part.requires_grad_(False)
train(other)
""",
    "everything_is_loaded": f"""{TUNING}
net.load_state_dict(trained.state_dict())
for part in (net.body, net.neck):
    part.requires_grad_(False)
train(net)
""",
    "loads_a_backbone_and_trains_the_head": f"""{SAVED}
net = Net()
net.load_state_dict({{k: v for k, v in weights.items() if "head" not in k}}, strict=False)
net.eval()
with torch.no_grad():
    net(images)
net.train()
optimizer = torch.optim.SGD(net.head.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimizer.step()
""",
    "other_number_of_classes": f"""{SAVED}
net = Net()
net.head = nn.Linear(80, 7)
own = net.state_dict()
net.load_state_dict({{k: v for k, v in weights.items() if v.shape == own[k].shape}}, strict=False)
with torch.no_grad():
    net.eval()(images)
""",
    "loads_in_two_parts": f"""{SAVED}
net = Net()
body = {{k: v for k, v in weights.items() if not k.startswith("head")}}
head = {{k.removeprefix("head."): v for k, v in weights.items() if k.startswith("head")}}
net.load_state_dict(body, strict=False)
net.head.load_state_dict(head)
with torch.no_grad():
    net.eval()(images)
""",
    "features_without_the_head": f"""{SAVED}
class Features(Net):
    def forward(self, x):
        return torch.relu(self.norm(self.conv(x))).mean((2, 3))

net = Features()
net.load_state_dict({{k: v for k, v in weights.items() if "head" not in k}}, strict=False)
with torch.no_grad():
    net.eval()(images)
""",
    "adapters_that_start_at_zero": f"""{SAVED}
class Adapted(Net):
    def __init__(self):
        super().__init__()
        self.adapter = nn.Linear(4, 4)
        nn.init.zeros_(self.adapter.weight)
        nn.init.zeros_(self.adapter.bias)

    def forward(self, x):
        x = super().forward(x)
        return x + self.adapter(x)

net = Adapted()
net.load_state_dict(weights, strict=False)
with torch.no_grad():
    net.eval()(images)
""",
    "trace_with_checks_of_shapes": f"""{SAVED}
class Checked(Net):
    def forward(self, x):
        if x.shape[1] != 3:
            raise ValueError(x.shape)
        height, width = x.shape[-2:]
        assert height == width, "square images only"
        return super().forward(x)

net = Checked().eval()
torch.jit.trace(net, images)
""",
    "branch_on_values_that_is_not_traced": f"""{SAVED}
class Gate(Net):
    def forward(self, x):
        if x.isnan().any():
            x = x.nan_to_num()
        return super().forward(x)

with torch.no_grad():
    Gate().eval()(images)
""",
}


class TestPrograms(FixedProgramChecks):
    pass
