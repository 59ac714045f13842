"""What the pages of module, none, device and state say about PyTorch, one claim a line: a truth, or a call and its refusal."""

import io, warnings, collections, pickle, torch, torchvision, numpy as np
from torch import nn
from torch.nn import functional as F
import re

x4 = lambda: torch.randn(4, 3, 8, 8)


class Small(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8 * 36, classes)

    def forward(self, x):
        return self.fc(torch.flatten(torch.relu(self.conv(x)), 1))


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.half = nn.Conv2d(3, 3, 1)


class Trains(nn.Module):
    def train(self, data):
        self.seen = data


class Joint(nn.Module):
    def forward(self, a, b):
        return a + b


class Listed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = [nn.Conv2d(3, 3, 1), nn.Dropout()]


class Unders(nn.Module):
    def _init_(self):
        self.conv = nn.Conv2d(3, 3, 1)


class Early(nn.Module):
    def __init__(self):
        self.size = 3
        super().__init__()


class EarlyP(nn.Module):
    def __init__(self):
        self.w = nn.Parameter(torch.zeros(2))


class Buf(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("b", torch.zeros(2))
        self.register_buffer("q", torch.zeros(2), persistent=False)
        self.p = nn.Parameter(torch.zeros(2))
        self.keep = [self.b, self.p]
        self.t = torch.zeros(2)


class OptNone(nn.Module):
    def __init__(self):
        super().__init__()
        self.d = nn.ReLU()
        self.d = None


def seq_shared():
    b = nn.Conv2d(3, 3, 1)
    s = nn.Sequential(*[b] * 3)
    return s


def hook_by_forward():
    l = nn.Conv2d(3, 3, 1)
    seen = []
    l.register_forward_hook(lambda *a: seen.append(1))
    l.forward(x4())
    a = len(seen)
    l(x4())
    return a, len(seen)


def dirty():
    n = Buf()
    n.double()
    return n


def sgd_none():
    n = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    w = n[1].weight.clone()
    o = torch.optim.SGD(n.parameters(), lr=1.0, weight_decay=0.1)
    n[0](torch.ones(1, 2)).sum().backward()
    o.step()
    return torch.equal(w, n[1].weight), n[1].weight.grad is None


def saved(o, **k):
    f = io.BytesIO()
    torch.save(o, f)
    f.seek(0)
    return torch.load(f, **k)


def consumed():
    s = nn.DataParallel(Small()).state_dict()
    nn.modules.utils.consume_prefix_in_state_dict_if_present(s, "module.")
    return list(s) == list(Small().state_dict())


def listed_step():
    n = Listed()
    n.eval()
    n.double()
    return (
        n.body[1].training
        and n.body[0].weight.dtype == torch.float32
        and not list(n.parameters())
        and not n.state_dict()
    )


def inplace():
    a = x4()
    b = nn.ReLU(inplace=True)(a)
    return b.data_ptr() == a.data_ptr() and bool((a >= 0).all())


def zg():
    n = nn.Linear(2, 2)
    o = torch.optim.SGD(n.parameters(), lr=0.1)
    n(torch.ones(1, 2)).sum().backward()
    o.zero_grad()
    return n.weight.grad is None


def linear_pair():
    a, b = nn.Linear(4, 5), nn.Linear(5, 2)
    v = torch.randn(3, 4)
    w = b.weight @ a.weight
    c = b.weight @ a.bias + b.bias
    return torch.allclose(b(a(v)), F.linear(v, w, c), atol=1e-6)


def bn_after():
    n = nn.BatchNorm2d(3)
    v = x4()
    w = v.clone()
    n(v)
    return torch.equal(v, w)


def bn_discarded():
    n = nn.BatchNorm2d(3)
    n(x4())
    return not torch.equal(n.running_mean, torch.zeros(3))


def nanbranch():
    class N(nn.Module):
        def forward(s, x):
            if bool(torch.isnan(x).any()):
                x = x + 1
            return x

    return N()


def shapebranch():
    class N(nn.Module):
        def forward(s, x):
            if x.shape[-1] % 2:
                x = x + 1
            return x

    return N()


CLAIMS = {
    "state/state_dict_head_size_mismatch: strict=False still refuses another size": (
        lambda: Small(5).load_state_dict(Small(10).state_dict(), strict=False),
        r"size mismatch for fc\.weight",
    ),
    "state/checkpoint_loaded_as_state_dict: strict=False loads nothing and raises nothing": lambda: (
        len(
            Small()
            .load_state_dict({"epoch": 3, "net": Small().state_dict()}, strict=False)
            .missing_keys
        )
        == 4
    ),
    "state/dataparallel_prefix: strict=False loads nothing": lambda: (
        len(
            Small()
            .load_state_dict(nn.DataParallel(Small()).state_dict(), strict=False)
            .missing_keys
        )
        == 4
    ),
    "state/dataparallel_prefix: consume_prefix_in_state_dict_if_present removes the prefix": consumed,
    "state/dataparallel_prefix: the wrapper keeps the network as .module": lambda: (
        lambda n: nn.DataParallel(n).module is n
    )(Small()),
    "state/dataparallel_prefix: wrapper's parameters are the network's": lambda: (
        lambda n: next(nn.DataParallel(n).parameters()) is next(n.parameters())
    )(Small()),
    "state/dataparallel_prefix: torch.compile gives _orig_mod.": lambda: all(
        k.startswith("_orig_mod.") for k in torch.compile(Small()).state_dict()
    ),
    "state/weights_only_pickled_network: weights_only=False loads it": lambda: isinstance(
        saved(Small(), weights_only=False), Small
    ),
    "state/weights_only_numpy_scalar: np.mean gives numpy float64": lambda: (
        type(np.mean([1.0, 2.0])) is np.float64
    ),
    "state/weights_only_numpy_scalar: np.float64 is a float": lambda: isinstance(
        np.mean([1.0, 2.0]), float
    ),
    "state/weights_only_numpy_scalar: lists, strings, numbers, tensors load": lambda: (
        saved({"a": [1.5, 2], "b": "c", "t": torch.ones(2)})["a"] == [1.5, 2]
    ),
    "state/weights_only_numpy_scalar: weights_only=False loads it": lambda: (
        saved({"l": np.mean([1.0, 2.0])}, weights_only=False)["l"] == 1.5
    ),
    "state/path_passed_to_load_state_dict: pathlib too": (
        lambda: Small().load_state_dict(__import__("pathlib").Path("a")),
        "Expected state_dict to be dict-like",
    ),
    "none/forward_hook_never_called: .forward skips hooks": lambda: hook_by_forward() == (0, 1),
    "none/train_override_returns_none: Module.eval is train(False)": lambda: (
        "return self.train(False)" in __import__("inspect").getsource(nn.Module.eval)
    ),
    "none/train_override_returns_none: Module.train returns self": lambda: (
        lambda n: n.train() is n and n.eval() is n
    )(Small()),
    "device/stale_buffer_alias: buffers are replaced, parameters keep identity": lambda: (
        lambda n: (
            n.keep[0].dtype == torch.float32
            and n.b.dtype == torch.float64
            and n.keep[1] is n.p
            and n.keep[1].dtype == torch.float64
        )
    )(dirty()),
    "device/stale_buffer_alias: to() that changes nothing keeps the alias": lambda: (
        lambda n: n.to("cpu").b is n.keep[0]
    )(Buf()),
    "device/stale_buffer_alias: load_state_dict copies in place, alias sees": lambda: (
        lambda n: (
            n.load_state_dict({"b": torch.ones(2), "p": torch.ones(2)}),
            bool(n.keep[0].all()),
        )[1]
    )(Buf()),
    "device/unregistered_buffer: plain tensor does not follow .double()/to": lambda: (
        dirty().t.dtype == torch.float32
    ),
    "device/unregistered_buffer: persistent=False buffer moves, not saved": lambda: (
        dirty().q.dtype == torch.float64 and "q" not in Buf().state_dict()
    ),
    "device/unregistered_buffer: not in the state_dict": lambda: "t" not in Buf().state_dict(),
    "device/images_not_moved: a DataLoader does not move its batches": lambda: (
        next(iter(torch.utils.data.DataLoader([torch.ones(1, device="meta")]))).is_meta
    ),
    "device/numpy_requires_grad: device is checked before grad": (
        lambda: torch.ones(2, device="meta", requires_grad=True).numpy(),
        r"can't convert meta device type tensor to numpy",
    ),
    "device/numpy_requires_grad: eval() alone does not stop it": (
        lambda: Small().eval()(x4()).numpy(),
        r"requires grad",
    ),
    "device/tensor_created_on_cpu_in_forward: cpu scalars mix but not tensors": (
        lambda: torch.cat([x4().to("meta"), x4()], 1),
        r"not on the expected device meta",
    ),
    "module/layer_class_not_instantiated: nn.ReLU(x) builds a layer": lambda: isinstance(
        nn.ReLU(x4()), nn.ReLU
    ),
    "module/layer_class_not_instantiated: MaxPool2d(x) builds a layer": lambda: isinstance(
        nn.MaxPool2d(x4()), nn.MaxPool2d
    ),
    "none/layer_not_called: relu of a module": (
        lambda: torch.relu(nn.ReLU()),
        r"must be Tensor, not ReLU",
    ),
    "module/layer_constructed_with_input: nn.LogSoftmax(x) is refused": (
        lambda: nn.LogSoftmax(x4()),
        r"dim must be an int or None",
    ),
    "none/grad_none_before_backward: zero_grad sets None": zg,
    "none/grad_none_before_backward: step skips None incl weight decay": lambda: (
        sgd_none() == (True, True)
    ),
    "none/grad_none_before_backward: grad None before": lambda: nn.Linear(2, 2).weight.grad is None,
    "module/functional_dropout_ignores_eval: F.dropout default": lambda: (
        __import__("inspect").signature(F.dropout).parameters["training"].default is True
    ),
    "module/dropout_created_in_forward: new module is in train mode": lambda: nn.Dropout().training,
    "module/shared_block_list_multiplication: parameters once, state thrice": lambda: (
        len(list(seq_shared().parameters())) == 2 and len(seq_shared().state_dict()) == 6
    ),
    "module/shared_block_list_multiplication: named_modules lists one": lambda: (
        len(list(seq_shared().children())) == 1 and len(seq_shared()) == 3
    ),
    "module/layers_in_python_list: eval, double, parameters, state miss it": listed_step,
    "module/layers_in_python_list: print does not show": lambda: "Conv2d" not in repr(Listed()),
    "module/single_underscore_init: builds with no parameters": lambda: (
        not list(Unders().parameters())
    ),
    "module/missing_super_init: plain numbers may be set before": lambda: Early().size == 3,
    "module/missing_super_init: parameters refuse otherwise": (
        lambda: EarlyP(),
        r"cannot assign parameters before Module",
    ),
    "module/sequential_multiple_inputs: tuple is not unpacked": (
        lambda: nn.Sequential(Joint())((x4(), x4())),
        r"missing 1 required positional argument",
    ),
    "module/list_passed_to_sequential: OrderedDict is accepted": lambda: (
        len(nn.Sequential(collections.OrderedDict(a=nn.ReLU()))) == 1
    ),
    "module/list_passed_to_sequential: ModuleList takes a list": lambda: (
        len(nn.ModuleList([nn.ReLU()])) == 1
    ),
    "module/indexed_modulelist: iterates/indexes": lambda: isinstance(
        nn.ModuleList([nn.ReLU()])[0], nn.ReLU
    ),
    "module/layer_shadows_method: registered yet lookup gives the method": lambda: (
        "half" in Named()._modules and not isinstance(Named().half, nn.Module)
    ),
    "module/layer_shadows_method: add_module refuses": (
        lambda: Small().add_module("half", nn.ReLU()),
        r"attribute 'half' already exists",
    ),
    "module/layer_shadows_method: type, float, double, train, apply, to are methods": lambda: all(
        callable(getattr(nn.Module, n)) for n in "half float double type train apply to".split()
    ),
    "module/train_method_overridden: eval passes False": lambda: (
        lambda n: (n.eval(), n.seen is False)[1]
    )(Trains()),
    "module/output_overwrites_layer: None may replace a layer": lambda: OptNone().d is None,
    "module/output_overwrites_layer: call of None layer": (
        lambda: OptNone().d(x4()),
        r"'NoneType' object is not callable",
    ),
    "module/inplace_relu_on_input: in place writes into its input": inplace,
    "module/missing_activation: two linear layers are one": linear_pair,
    "module/discarded_layer_output: BatchNorm does not write into input": bn_after,
    "module/discarded_layer_output: statistics move although discarded": bn_discarded,
    "none/image_not_found_returns_none: PIL raises": (
        lambda: __import__("PIL.Image").Image.open("nowhere.png"),
        r"No such file",
    ),
    "none/image_not_found_returns_none: indexing a dict raises KeyError": (
        lambda: {}["a.png"],
        r"a\.png",
    ),
    "none/list_of_images_as_batch: conv of stack works": lambda: (
        nn.Conv2d(3, 3, 1)(torch.stack(list(x4()))).shape[0] == 4
    ),
    "none/list_of_images_as_batch: a list of unequal sizes cannot be stacked": (
        lambda: torch.stack([torch.ones(3, 8, 8), torch.ones(3, 9, 8)]),
        r"equal size",
    ),
    "none/labels_left_in_batch: loader gives a list": lambda: (
        type(
            next(
                iter(
                    torch.utils.data.DataLoader(
                        torch.utils.data.TensorDataset(x4(), torch.arange(4))
                    )
                )
            )
        )
        is list
    ),
    "none/method_not_called: x.relu / x.contiguous gives builtin": lambda: (
        type(x4().relu).__name__ == "builtin_function_or_method"
    ),
    "none/optional_layer_is_none: Identity gives its input": lambda: (
        lambda v: nn.Identity()(v) is v
    )(x4()),
    "state/export_data_dependent_branch: nan_to_num leaves finite values": lambda: (
        lambda v: torch.equal(torch.nan_to_num(v), v)
    )(x4()),
    "state/export_data_dependent_branch: shape branch exports": lambda: (
        torch.export.export(shapebranch(), (x4(),), strict=False) is not None
    ),
    "state/export_data_dependent_branch: plain call works": lambda: nanbranch()(x4()) is not None,
    "state/fx_trace_control_flow_min: fx also refuses a branch on the shape": (
        lambda: torch.fx.symbolic_trace(shapebranch()),
        r"symbolically traced variables cannot be used as inputs to control flow",
    ),
    "state/fx_trace_control_flow_min: export accepts that branch": lambda: (
        torch.export.export(shapebranch(), (x4(),), strict=False) is not None
    ),
}


def aux(train):
    import torchvision

    with torch.device("meta"):  # what a network returns needs no values
        n = torchvision.models.googlenet(weights=None, init_weights=False, aux_logits=True)
        return type(n.train(train)(torch.randn(2, 3, 224, 224))).__name__


def inc(train):
    import torchvision

    with torch.device("meta"):
        n = torchvision.models.inception_v3(weights=None, init_weights=False)
        return type(n.train(train)(torch.randn(2, 3, 299, 299))).__name__


def dropped_side():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    v = torch.ones(1, 2)
    (a(v), b(v))[0].sum().backward()
    return b.weight.grad is None


def zg_false():
    n = nn.Linear(2, 2)
    o = torch.optim.SGD(n.parameters(), lr=0.1)
    o.zero_grad(set_to_none=False)
    a = n.weight.grad is None
    n(torch.ones(1, 2)).sum().backward()
    o.zero_grad(set_to_none=False)
    return a and n.weight.grad.norm().item() == 0


def frozen_none():
    n = nn.Linear(2, 2)
    n.weight.requires_grad_(False)
    n(torch.ones(1, 2)).sum().backward()
    return n.weight.grad is None and n.bias.grad is not None


def replaced():
    n = nn.Sequential(nn.ReLU())
    seen = []
    n[0].register_forward_hook(lambda *a: seen.append(1))
    n[0] = nn.ReLU()
    n(x4())
    return not seen


class Nested(nn.Module):
    def __init__(self):
        super().__init__()

        def forward(self, x):
            return x


class Kept(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        self.kept = self.f(x)
        return self.kept


class ClassKept(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2, bias=False)
        self.b = nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight


def tied():
    n = Tied()
    s = n.state_dict()
    m = Tied()
    m.load_state_dict(s)
    return (
        len(list(n.parameters())) == 1
        and set(s) == {"a.weight", "b.weight"}
        and s["a.weight"].data_ptr() == s["b.weight"].data_ptr()
        and m.a.weight is m.b.weight
    )


def affine(n):
    n.eval()
    a, b = x4(), x4()
    f = n
    return torch.allclose(f(a) + f(b) - f(torch.zeros_like(a)), f(a + b), atol=1e-4)


def relu_hook_twice():
    r = nn.ReLU()
    seen = []
    r.register_forward_hook(lambda *a: seen.append(1))
    r(r(x4()))
    return len(seen) == 2


def none_attr():
    class N(nn.Module):
        def __init__(s):
            super().__init__()
            s.c = nn.Linear(2, 2)
            s.d = None

    n = N().double()
    return n.d is None and len(n.state_dict()) == 2


def compare_after(kind):
    n = Buf()
    n.stats = [n.b]
    n.to(kind)
    return n.stats[0] is n.b


CLAIMS |= {
    "none/aux_output_tuple_in_loss: GoogLeNet gives a tuple in train mode, a tensor in eval": lambda: (
        aux(True) == "GoogLeNetOutputs" and aux(False) == "Tensor"
    ),
    "none/aux_output_tuple_in_loss: Inception v3 too": lambda: (
        inc(True) == "InceptionOutputs" and inc(False) == "Tensor"
    ),
    "none/aux_output_tuple_in_loss: the dropped head gets no gradient": dropped_side,
    "none/grad_none_before_backward: set_to_none=False gives None first and 0 later": zg_false,
    "none/grad_none_unused_layer: frozen parameters have None": frozen_none,
    "none/forward_hook_never_called: a replaced layer's hook is not called": replaced,
    "module/misspelled_forward: forward inside __init__ gives the same message": (
        lambda: Nested()(x4()),
        r'is missing the required "forward" function',
    ),
    "module/single_underscore_init: optimizer": (
        lambda: torch.optim.SGD(Unders().parameters(), lr=0.1),
        r"optimizer got an empty parameter list",
    ),
    "module/single_underscore_init: print shows no layers": lambda: repr(Unders()) == "Unders()",
    "module/list_passed_to_sequential: a function": (
        lambda: nn.Sequential(torch.relu),
        r"is not a Module subclass",
    ),
    "module/list_passed_to_sequential: a class": (
        lambda: nn.Sequential(nn.ReLU),
        r"is not a Module subclass",
    ),
    "module/layer_class_not_instantiated: print does not list it, object and class look different": lambda: (
        "act" not in repr(ClassKept())
        and repr(nn.ReLU()) == "ReLU()"
        and repr(nn.ReLU).startswith("<class")
    ),
    "module/output_overwrites_layer: another attribute keeps the tensor": lambda: (
        lambda n: (n(x4()), n.kept.requires_grad)[1]
    )(Kept()),
    "module/layer_shadows_method: print lists the layer": lambda: "(half)" in repr(Named()),
    "module/missing_activation: average pooling is affine": lambda: affine(nn.AvgPool2d(2)),
    "module/missing_activation: BatchNorm in eval is affine": lambda: affine(nn.BatchNorm2d(3)),
    "module/missing_activation: max pooling is not": lambda: not affine(nn.MaxPool2d(2)),
    "module/discarded_layer_output: relu_ changes its tensor": lambda: (
        lambda a: (a.relu_(), bool((a >= 0).all()))[1]
    )(x4()),
    "module/tied_weights": tied,
    "module/shared_relu: hook fires at each use": relu_hook_twice,
    "none/optional_layer_checked_first: None passes through double and state_dict": none_attr,
    "none/optional_layer_checked_first: torchvision's ResNet": lambda: (
        "if self.downsample is not None"
        in __import__("inspect").getsource(torchvision.models.resnet.BasicBlock.forward)
    ),
    "device/stale_buffer_alias: identity before and after a move": lambda: (
        compare_after("cpu") and not compare_after("meta")
    ),
    "device/tensor_created_on_cpu_in_forward: zeros_like and new_zeros follow": lambda: (
        torch.zeros_like(torch.ones(1, device="meta")).is_meta
        and torch.ones(1, device="meta").new_zeros(2).is_meta
    ),
    "state/weights_only_pickled_network: a damaged file gives the same first lines": (
        lambda: torch.load(io.BytesIO(b"<!DOCTYPE html><html><body>error</body></html>")),
        r"Weights only load failed",
    ),
    "state/weights_only_pickled_network: ... and an unsupported operand": (
        lambda: torch.load(io.BytesIO(b"<!DOCTYPE html><html><body>error</body></html>")),
        r"Unsupported operand",
    ),
    "state/path_passed_to_load_state_dict: a network": (
        lambda: Small().load_state_dict(Small()),
        r"Expected state_dict to be dict-like, got <class '.*Small'>",
    ),
    "state/state_dict_head_size_mismatch: load_state_dict returns the missing names": lambda: (
        Small(5)
        .load_state_dict(
            {k: v for k, v in Small(10).state_dict().items() if not k.startswith("fc.")},
            strict=False,
        )
        .missing_keys
        == ["fc.weight", "fc.bias"]
    ),
    "state/weights_only_numpy_scalar: an array is refused as well": (
        lambda: saved({"a": np.ones(3)}),
        r"Weights only load failed",
    ),
    "state/export_data_dependent_branch: where exports": lambda: (
        torch.export.export(
            type(
                "W", (nn.Module,), {"forward": lambda s, x: torch.where(torch.isnan(x), 0.0, x)}
            )(),
            (x4(),),
            strict=False,
        )
        is not None
    ),
    "none/layer_not_called: the message marks every entry": (
        lambda: nn.Conv2d(3, 3, 1)(nn.MaxPool2d(2)),
        r"!MaxPool2d!, !Parameter!, !Parameter!",
    ),
    "none/list_of_images_as_batch: cat of images": lambda: (
        torch.cat([torch.ones(3, 8, 8)] * 4).shape == (12, 8, 8)
    ),
    "none/labels_left_in_batch: stack refuses": (
        lambda: torch.stack([x4(), torch.arange(4)]),
        r"equal size",
    ),
    "none/method_not_called: Conv refuses; float detach cpu": lambda: all(
        type(getattr(x4(), n)).__name__ == "builtin_function_or_method"
        for n in ("relu", "contiguous", "float", "detach", "cpu")
    ),
}


class Asserts(nn.Module):
    def forward(self, x):
        assert x.shape[0] > 0
        return x


def seed_hides_late_layer():
    f = lambda v: nn.Conv2d(3, 3, 1)(v)
    v = x4()
    torch.manual_seed(0)
    a = f(v)
    torch.manual_seed(0)
    return torch.equal(a, f(v)) and not torch.equal(f(v), f(v))


def param_moved_by_optimizer():
    n = nn.ParameterList([nn.Parameter(torch.zeros(2))])
    o = torch.optim.SGD(n.parameters(), lr=1.0)
    n[0].sum().backward()
    o.step()
    return bool((n[0] != 0).all())


CLAIMS |= {
    "module/layer_constructed_with_input: nn.Flatten takes a tensor as start_dim unchecked": lambda: (
        isinstance(nn.Flatten(x4()).start_dim, torch.Tensor)
    ),
    "module/layer_created_in_forward: a seed before each pass hides it": seed_hides_late_layer,
    "module/loss_variable_shadows_function: the types before and after": lambda: (
        type(nn.CrossEntropyLoss()).__name__ == "CrossEntropyLoss"
        and type(nn.CrossEntropyLoss()(torch.randn(2, 3), torch.tensor([0, 1]))) is torch.Tensor
    ),
    "device/unregistered_buffer: a Parameter would be changed": param_moved_by_optimizer,
    "device/numpy_requires_grad: no_grad and detach are each enough": lambda: (
        lambda n: (
            isinstance(n(x4()).detach().numpy(), np.ndarray)
            and not torch.no_grad()(n)(x4()).requires_grad
        )
    )(Small()),
    "state/fx_trace_control_flow_min: assert counts as well": (
        lambda: torch.fx.symbolic_trace(Asserts()),
        r"control flow",
    ),
    "state/fx_trace_control_flow_min: adaptive pooling to 1 is the same": lambda: (
        lambda v: torch.allclose(F.avg_pool2d(v, 8), F.adaptive_avg_pool2d(v, 1), atol=1e-6)
    )(x4()),
}
