"""What the pages of training, memory and dtype say about PyTorch, one claim a line: a truth, or a call and its refusal."""

import re, copy, warnings, torch, contextlib, io
from torch import nn
from torch.nn import functional as F

warnings.simplefilter("ignore")


def raises(call, pattern):
    try:
        call()
    except Exception as e:
        return bool(re.search(pattern, str(e), re.S))
    return False


def grads(mode):
    torch.manual_seed(0)
    c = nn.Conv2d(3, 4, 3)
    a = nn.Linear(4, 2)
    b = nn.Linear(4, 3)
    x = torch.randn(2, 3, 8, 8)
    f = torch.relu(c(x)).mean((2, 3))
    l1, l2 = a(f).pow(2).mean(), b(f).pow(2).mean()
    if mode == "sum":
        (l1 + l2).backward()
    else:
        l1.backward(retain_graph=True)
        l2.backward()
    return c.weight.grad


def loop_retain():
    c = nn.Conv2d(4, 1, 3, padding=1)
    o = torch.optim.SGD(c.parameters(), lr=0.1)
    s = torch.randn(2, 1, 5, 5)
    for _ in range(3):
        o.zero_grad()
        s = torch.tanh(c(torch.cat([torch.ones(2, 3, 5, 5), s], 1)))
        s.mean().backward(retain_graph=True)
        o.step()


def inplace(f, g=None):
    x = torch.randn(2, 3, 5, 5)
    c = nn.Conv2d(3, 3, 3, padding=1)
    y = f(c(x))
    y += x
    y.sum().backward()


def anomaly():
    buf = io.StringIO()
    with warnings.catch_warnings(record=True) as w, contextlib.redirect_stderr(buf):
        warnings.simplefilter("always")
        try:
            with torch.autograd.detect_anomaly():
                x = torch.randn(2, requires_grad=True) * 1
                y = torch.relu(x)
                y += 1
                y.sum().backward()
        except RuntimeError:
            pass
    t = " ".join(str(v.message) for v in w) + buf.getvalue()
    return "y = torch.relu(x)" in t and "y += 1" not in t


def sil():
    n = nn.Linear(3, 2)
    p = n(torch.ones(1, 3)).argmax(1).float()
    l = p.mean()
    l.requires_grad_()
    l.backward()
    return n.weight.grad is None


def newt():
    n = nn.Linear(3, 2)
    o = torch.optim.SGD(n.parameters(), lr=0.1)
    b = n.weight.clone()
    torch.tensor(n(torch.ones(1, 3)).sum().item(), requires_grad=True).backward()
    o.step()
    return n.weight.grad is None and torch.equal(b, n.weight)


def ng():
    c = nn.Conv2d(1, 1, 3)
    with torch.no_grad():
        w = c.weight - c.weight.mean()
    y = F.conv2d(torch.ones(1, 1, 5, 5), w, c.bias)
    y.sum().backward()
    return y.requires_grad and c.weight.grad is None and c.bias.grad is not None


def ng2():
    c = nn.Conv2d(1, 1, 3)
    with torch.no_grad():
        c.weight -= c.weight.mean()
    return c.weight.is_leaf and c.weight.requires_grad and isinstance(c.weight, nn.Parameter)


def mod():
    n = nn.Module()
    n.s = 0.1 * nn.Parameter(torch.ones(1))
    return [*n.named_parameters()] == [] and not isinstance(n.s, nn.Parameter)


def detopt():
    p = (0.1 * nn.Parameter(torch.ones(1))).detach()
    o = torch.optim.SGD([p], lr=0.1)
    o.step()
    return float(p) == float(torch.tensor(0.1))


def frozenopt():
    n = nn.Linear(2, 2).requires_grad_(False)
    o = torch.optim.SGD(n.parameters(), lr=0.1)
    o.step()
    return True


def evcalls():
    class N(nn.Module):
        def train(self, mode=True):
            self.seen = mode
            return self

    n = N()
    n.eval()
    return n.seen is False


def sched():
    o = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    s = torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.5)
    a = o.param_groups[0]["lr"]
    s.step()
    return a == 0.1 and o.param_groups[0]["lr"] == 0.05


def warm():
    o = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    s = torch.optim.lr_scheduler.LambdaLR(o, lambda n: min(n / 10, 1))
    return o.param_groups[0]["lr"] == 0


def drop_ng():
    d = nn.Dropout()
    with torch.no_grad():
        return bool((d(torch.ones(1000)) == 0).any())


def restore():
    n = nn.Dropout()

    @torch.no_grad()
    def f():
        n.eval()

    f()
    return torch.is_grad_enabled() and not n.training


def bneval():
    b = nn.BatchNorm2d(2).eval()
    m = b.running_mean.clone()
    y = b(torch.randn(4, 2, 3, 3) + 5)
    return torch.equal(m, b.running_mean) and float(y.mean()) > 4


def bnfrozen(grad):
    b = nn.BatchNorm2d(2).requires_grad_(False)
    m = b.running_mean.clone()
    with torch.set_grad_enabled(grad):
        b(torch.randn(4, 2, 3, 3) + 5)
    return not torch.equal(m, b.running_mean)


def trainundo():
    n = nn.Sequential(nn.BatchNorm2d(2))
    n[0].eval()
    n.train()
    return n[0].training


def g(f, v=0.0):
    x = torch.tensor([v, v], requires_grad=True)
    f(x).backward()
    return x.grad


def clipnan():
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    a.grad = torch.tensor([float("nan")])
    b.grad = torch.ones(1)
    nn.utils.clip_grad_norm_([a, b], 1.0)
    return bool(b.grad.isnan())


def logz():
    t = torch.tensor([[1.0, 0.0]])
    s = torch.zeros(1, 2, requires_grad=True)
    p = F.log_softmax(s, 1)
    l = (t * (t.log() - p)).sum()
    l.backward()
    return bool(l.isnan()) and bool(s.grad.isfinite().all())


def relu_dead():
    c = nn.Conv2d(3, 4, 3)
    nn.init.constant_(c.bias, -100)
    torch.relu(c(torch.randn(2, 3, 5, 5))).sum().backward()
    return not c.weight.grad.any() and not c.bias.grad.any()


def tl():
    class N(nn.Module):
        def __init__(s):
            super().__init__()
            s.b = nn.BatchNorm2d(1)
            s.d = nn.Dropout()

        def train(s, mode=True):
            s.b.eval()
            return s

    n = N()
    n.eval()
    return n.training and n.d.training and not n.b.training


def freed():
    x = torch.randn(3, requires_grad=True)
    y = torch.relu(x)
    l = y.sum()
    l.backward()
    return raises(lambda: y.grad_fn._saved_result, "freed")


def kept():
    x = torch.randn(3, requires_grad=True)
    y = torch.relu(x)
    l = y.sum()
    total = 0
    total += l
    return torch.equal(y.grad_fn._saved_result, y)


def inplace_total():
    total = 0
    l = nn.Parameter(torch.ones(())).mul(1)
    total += l
    total += l
    return total.requires_grad


def evalgraph():
    n = nn.Linear(2, 2).eval()
    return n(torch.ones(1, 2)).requires_grad


def inf():
    n = nn.Linear(2, 2)
    with torch.inference_mode():
        return not n(torch.ones(1, 2)).requires_grad


def halfself():
    n = nn.Linear(2, 2)
    return n.half() is n and n.weight.dtype is torch.float16


def ac():
    n = nn.Conv2d(3, 2, 3)
    l = nn.Linear(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = n(torch.ones(1, 3, 5, 5))
        z = l(y.mean((2, 3)))
    return (
        y.dtype is torch.bfloat16 and z.dtype is torch.bfloat16 and n.weight.dtype is torch.float32
    )


def loss_d(f):
    x = torch.rand(4, requires_grad=True)
    y = torch.rand(4, dtype=torch.float64)
    l = f(x, y)
    l.backward()
    return l.dtype


def cls():
    from torchvision.models import squeezenet1_1

    m = squeezenet1_1()
    m.fc = nn.Linear(512, 10)
    m.eval()
    return m(torch.randn(1, 3, 64, 64)).shape[1] == 1000


def outc():
    c = nn.Conv2d(4, 1000, 1)
    c.out_channels = 10
    return c(torch.ones(1, 4, 2, 2)).shape[1] == 1000 and "Conv2d(4, 10" in repr(c)


def outf():
    c = nn.Linear(4, 1000)
    c.out_features = 10
    return c(torch.ones(1, 4)).shape[1] == 1000 and "out_features=10" in repr(c)


def cl():
    c = nn.Conv2d(3, 8, 3)
    y = c(torch.ones(2, 3, 8, 8).contiguous(memory_format=torch.channels_last))
    return (
        y.shape == (2, 8, 6, 6)
        and not y.is_contiguous()
        and y.is_contiguous(memory_format=torch.channels_last)
    )


def cl_w():
    c = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)
    y = c(torch.ones(2, 3, 8, 8))
    return not y.is_contiguous()


def gen():
    p = nn.Linear(2, 2).parameters()
    list(p)
    return list(p) == []


def clip0():
    p = nn.Linear(2, 2).parameters()
    list(p)
    return float(nn.utils.clip_grad_norm_(p, 1.0)) == 0


def modattr():
    n = nn.Linear(2, 2)
    n.requires_grad = False
    return all(p.requires_grad for p in n.parameters())


def bnbias():
    torch.manual_seed(0)
    c = nn.Conv2d(3, 4, 3)
    b = nn.BatchNorm2d(4)
    x = torch.randn(4, 3, 8, 8)
    a = b(c(x))
    with torch.no_grad():
        c.bias += 5
    d = b(c(x))
    return torch.allclose(a, d, atol=1e-4)


def bnbiasgrad():
    torch.manual_seed(0)
    c = nn.Conv2d(3, 4, 3)
    b = nn.BatchNorm2d(4)
    (b(c(torch.randn(4, 3, 8, 8))) * torch.randn(4, 4, 6, 6)).sum().backward()
    return float(c.bias.grad.abs().max()) < 1e-4 and float(c.weight.grad.abs().max()) > 1e-1


def accum():
    torch.manual_seed(0)
    n = nn.Linear(3, 2)
    x = torch.randn(8, 3)
    y = torch.arange(8) % 2
    F.cross_entropy(n(x), y).backward()
    a = n.weight.grad.clone()
    n.zero_grad()
    for i, j in zip(x.chunk(2), y.chunk(2)):
        (F.cross_entropy(n(i), j) / 2).backward()
    return torch.allclose(a, n.weight.grad, atol=1e-6)


def half_train_step():
    w = torch.tensor(1.0).half()
    return float(w - torch.tensor(1e-4).half()) == 1.0


def where_nan():
    x = torch.zeros(2, requires_grad=True)
    torch.where(x > 0, x.sqrt(), torch.zeros(2)).sum().backward()
    return bool(x.grad.isnan().all())


def zero_none():
    n = nn.Linear(2, 2)
    a = n.requires_grad_(False)(torch.ones(1, 2)).sum()
    return not a.requires_grad


def ld():
    n = nn.Linear(2, 2)
    n.load_state_dict({k: v.half() for k, v in n.state_dict().items()})
    return n.weight.dtype is torch.float32


def gd(f):
    x = torch.rand(4, requires_grad=True)
    f(x, torch.rand(4, dtype=torch.float64)).backward()
    return x.grad.dtype


def swing():
    w = nn.Parameter(torch.ones(1))
    o = torch.optim.SGD([w], lr=0.1)
    ls = []
    for _ in range(20):
        l = (w * w / 2).sum()
        l.backward()
        o.step()
        ls.append(float(l))
    k = ls.index(min(ls))
    return 0 < k < 19 and ls[-1] > 10 * ls[k]


def scalerwarn():
    w = nn.Parameter(torch.ones(1))
    o = torch.optim.SGD([w], lr=0.1)
    s = torch.optim.lr_scheduler.ExponentialLR(o, 0.5)
    sc = torch.amp.GradScaler("cpu")
    with warnings.catch_warnings(record=True) as got:
        warnings.simplefilter("always")
        sc.scale((w * float("inf")).sum()).backward()
        sc.step(o)
        sc.update()
        s.step()
    return any("before `optimizer.step()`" in str(v.message) for v in got)


def dead46():
    torch.manual_seed(0)
    a, c, d = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 1, 1)
    nn.init.constant_(c.bias, -4.6)
    y = d(torch.relu(c(torch.relu(a(torch.randn(4, 3, 8, 8))))))
    y.sum().backward()
    return not c.weight.grad.any() and bool((y == y[:1]).all())


def names():
    from torchvision.models import resnet18, squeezenet1_1

    return (
        hasattr(resnet18(), "fc")
        and hasattr(squeezenet1_1(), "classifier")
        and not hasattr(squeezenet1_1(), "fc")
    )


def clip0():
    p = nn.Linear(2, 2).parameters()
    list(p)
    return float(nn.utils.clip_grad_norm_(p, 1.0)) == 0


def half_train_step():
    return float(torch.tensor(1.0).half() - torch.tensor(1e-4).half()) == 1.0


def ld():
    n = nn.Linear(2, 2)
    n.load_state_dict({k: v.half() for k, v in n.state_dict().items()})
    return n.weight.dtype is torch.float32


def half_without_scaler():
    n = nn.Linear(2, 2).half()
    o = torch.optim.SGD(n.parameters(), lr=0.01)
    with torch.autocast("cpu", dtype=torch.float16):
        n(torch.ones(1, 2)).sum().backward()
    o.step()
    return n.weight.grad.dtype is torch.float16


def nll(f=lambda s: s):
    s = torch.randn(4, 10) * 100
    y = torch.arange(4)
    return F.nll_loss(f(s), y), -s[range(4), y].mean(), F.cross_entropy(s, y)


class Strict(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(depth))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def lenient():
    deep, flat, x = Strict(3), Strict(2), torch.randn(1, 3, 5, 5)
    flat.load_state_dict(deep.state_dict(), strict=False)
    copied = all(torch.equal(deep.state_dict()[k], v) for k, v in flat.state_dict().items())
    return copied and not torch.allclose(deep(x), flat(x))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return F.dropout(self.conv(x), 0.5, self.training)


class Module(Functional):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout()

    def forward(self, x):
        return self.drop(self.conv(x))


def steady(net):
    x = torch.ones(2, 3, 8, 8)
    return torch.equal(net(x), net(x))


def extracted():
    from torchvision.models.feature_extraction import create_feature_extractor

    net = create_feature_extractor(Functional(), ["dropout"])
    x = torch.ones(2, 3, 8, 8)
    return [
        torch.equal(net.train(mode)(x)["dropout"], net(x)["dropout"]) for mode in (True, False)
    ] == [False, True]


class Rounds(nn.Module):
    def forward(self, x):
        return torch.stack([x[n] - x[n].mean() for n in range(len(x))])


class Loop(nn.Module):
    def forward(self, x):
        return torch.stack([image - image.mean() for image in x])


def exported(sizes):
    return torch.export.export(Loop(), (torch.ones(4, 3, 8, 8),), dynamic_shapes=sizes)


def unknown(loss):
    p = torch.zeros(2, requires_grad=True)
    value = loss(p, torch.tensor([1.0, float("nan")]))
    value.backward()
    return bool(value.isfinite()), bool(p.grad.isfinite().all())


def shared():
    c = nn.Conv2d(1, 1, 3, padding=1)
    d = torch.ones(2, 1, 4, 4)
    d[0, 0, 1, 1] = float("nan")
    F.mse_loss(c(torch.randn(2, 1, 4, 4)), d).backward()
    return bool(c.weight.grad.isnan().all())


def blank():
    c = nn.Conv2d(1, 2, 3)
    x = torch.rand(3, 1, 8, 8)
    x[1] = 0
    y = c((x - x.mean((1, 2, 3), True)) / x.std((1, 2, 3), keepdim=True))
    rows = y.isnan().flatten(1).all(1).tolist()
    torch.nan_to_num(y).sum().backward()
    return rows == [False, True, False] and bool(c.weight.grad.isnan().all())


def nearly():
    deviation = float(torch.full((1, 8, 8), 0.3).std())
    return 0 < deviation < 1e-6


def unnamed():
    n = nn.Linear(2, 2)
    n.activation = None
    return "activation" not in repr(n)


def stale(fresh):
    n = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    o = torch.optim.SGD(n.parameters(), lr=0.1)
    n[1] = nn.Linear(2, 2)
    if fresh:
        o.add_param_group({"params": n[1].parameters()})
    before = n[1].weight.clone()
    sums = []
    for _ in range(2):
        (o if fresh else n).zero_grad()
        n(torch.ones(1, 2)).sum().backward()
        sums.append(n[1].bias.grad.clone())
        o.step()
    return torch.equal(before, n[1].weight), torch.equal(*sums), len(o.param_groups)


def kept_gradients():
    n = nn.Linear(2, 2)
    o = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    for _ in range(2):
        o.zero_grad()
        n(torch.ones(1, 2)).sum().backward()
    return float(n.bias.grad[0]) == 2


CLAIMS = {
    "training/inplace_add_to_relu_output: anomaly detection prints the line of the ReLU": anomaly,
    "training/backward_twice: retain_graph=True gives the gradients of the sum": lambda: (
        torch.allclose(grads("sum"), grads("two"), atol=1e-6)
    ),
    "training/hidden_state_not_detached: retain_graph=True trades the error for the in-place one": (
        loop_retain,
        r"modified by an inplace operation",
    ),
    "training/inplace_add_to_relu_output: the same += after a convolution without ReLU works": lambda: (
        inplace(lambda y: y) is None
    ),
    "training/inplace_add_to_relu_output: Sigmoid and Tanh refuse too": lambda: (
        raises(lambda: inplace(torch.sigmoid), "inplace")
        and raises(lambda: inplace(torch.tanh), "inplace")
    ),
    "training/inplace_add_to_relu_output: inplace=True or False makes no difference": lambda: (
        raises(lambda: inplace(nn.ReLU(inplace=True)), "inplace")
        and raises(lambda: inplace(nn.ReLU()), "inplace")
    ),
    "training/loss_on_argmax: requires_grad_() on the loss silences it, the weights get no gradient": sil,
    "training/loss_wrapped_in_new_tensor: the weights have grad None and the step does nothing": newt,
    "training/loss_term_under_no_grad: the output requires grad, the weight gets None, the bias a gradient": ng,
    "training/loss_term_under_no_grad: an in-place change of the weight under no_grad keeps the parameter": ng2,
    "training/optimizer_parameter_name_mismatch: an empty group is accepted": lambda: (
        torch.optim.SGD([{"params": []}], lr=0.1) is not None
    ),
    "training/exhausted_parameter_generator: parameters() is spent after one pass": gen,
    "training/non_leaf_parameter: the product is neither a Parameter nor registered": mod,
    "training/non_leaf_parameter: detach() is accepted and trains nothing": detopt,
    "training/non_leaf_parameter: .to() of another dtype gives a non-leaf, .to() of the same gives the tensor itself": lambda: (
        not torch.ones(1, requires_grad=True).to(torch.float64).is_leaf
        and torch.ones(1, requires_grad=True).to("cpu").is_leaf
    ),
    "training/frozen_new_head: an optimizer accepts frozen parameters": frozenopt,
    "training/train_override_skips_head: eval() calls train(False)": evcalls,
    "training/missing_scheduler_step: making the scheduler sets the rate to 0": warm,
    "training/missing_eval_mode: no_grad leaves dropout on": drop_ng,
    "training/missing_train_mode_after_validation: no_grad ends with the function, eval() stays": restore,
    "training/missing_train_mode_after_validation: BatchNorm in eval mode neither updates nor uses the batch's statistics": bneval,
    "training/frozen_batchnorm_statistics_update: frozen BatchNorm in train mode updates, under no_grad too": lambda: (
        bnfrozen(True) and bnfrozen(False)
    ),
    "training/frozen_batchnorm_statistics_update: net.train() undoes an earlier eval() of a part": trainundo,
    "training/nan_sqrt_of_zero: the gradient of sqrt(x^2 sum) at 0 is NaN": lambda: bool(
        g(lambda x: x.pow(2).sum().sqrt()).isnan().all()
    ),
    "training/nan_sqrt_of_zero: clipping spreads the NaN": clipnan,
    "training/nan_sqrt_of_zero: torch.where around the root does not help": where_nan,
    "training/nan_sqrt_of_zero: vector_norm gives 0 there": lambda: (
        not g(torch.linalg.vector_norm).any()
    ),
    "training/nan_log_of_zero: the loss is NaN, the gradients are finite": logz,
    "training/nan_log_of_zero: xlogy(0, 0) is 0": lambda: (
        float(torch.xlogy(torch.zeros(()), torch.zeros(()))) == 0
    ),
    "training/dying_relu_negative_bias: sigmoid(-4.6) is 0.01": lambda: (
        abs(float(torch.sigmoid(torch.tensor(-4.6))) - 0.01) < 1e-4
    ),
    "training/dying_relu_negative_bias: a dead ReLU passes no gradient": relu_dead,
    "training/train_override_skips_head: after eval() the network and its dropout are in train mode": tl,
    "memory/loss_sum_keeps_graph: backward frees what the nodes had saved": freed,
    "memory/loss_sum_keeps_graph: without backward the activations stay": kept,
    "memory/loss_sum_keeps_graph: the sum requires grad": inplace_total,
    "memory/missing_no_grad_at_inference: eval() does not switch autograd off": evalgraph,
    "memory/missing_no_grad_at_inference: inference_mode does too": inf,
    "dtype/half_model_float32_images: half() converts the network in place": halfself,
    "dtype/autocast_around_encoder_only: inside, both layers give bfloat16 and the weights stay float32": ac,
    "dtype/float64_targets: MSE and L1 accept float64 targets and give a float64 loss": lambda: (
        loss_d(F.mse_loss) is torch.float64 and loss_d(F.l1_loss) is torch.float64
    ),
    "dtype/float64_targets: huber_loss returns a float32 loss": lambda: (
        F.huber_loss(torch.rand(4), torch.rand(4, dtype=torch.float64)).dtype is torch.float32
    ),
    "dtype/float64_targets: binary_cross_entropy raises in its forward pass": (
        lambda: F.binary_cross_entropy(torch.rand(4), torch.rand(4, dtype=torch.float64)),
        "Found dtype Double but expected Float",
    ),
    "dtype/uint8_mask_target: one uint8 label per image is accepted": lambda: (
        F.cross_entropy(torch.randn(4, 3), torch.zeros(4, dtype=torch.uint8)).isfinite().item()
    ),
    "dtype/uint8_mask_target: float masks get a message that says Long or Byte": (
        lambda: F.cross_entropy(torch.randn(4, 3, 2, 2), torch.zeros(4, 2, 2)),
        "expected target dtype to be Long or Byte, but got Float",
    ),
    "dtype/uint8_mask_target: 255 is out of range": (
        lambda: F.cross_entropy(torch.randn(1, 3, 1, 1), torch.full((1, 1, 1), 255)),
        "Target 255 is out of bounds",
    ),
    "dtype/float32_head_on_bfloat16_encoder: an addition promotes": lambda: (
        (torch.ones(1).bfloat16() + torch.ones(1)).dtype is torch.float32
    ),
    "dtype/float64_targets_for_mse: the gradients are float32": lambda: (
        gd(F.mse_loss) is torch.float32 and gd(F.l1_loss) is torch.float32
    ),
    "training/missing_zero_grad: on w^2/2 the loss falls and rises again": swing,
    "training/missing_optimizer_step: a scaler that skips the first step brings the warning": scalerwarn,
    "training/nan_sqrt_of_zero: pairwise_distance has a finite gradient there": lambda: bool(
        g(lambda x: F.pairwise_distance(x[None], torch.zeros(1, 2)).sum()).isfinite().all()
    ),
    "training/nan_sqrt_of_zero: a power of one half gives NaN too": lambda: bool(
        g(lambda x: x.pow(2).sum().pow(0.5)).isnan().all()
    ),
    "training/dying_relu_negative_bias: with a bias of -4.6 the default convolution dies and gives all images the same": dead46,
    "training/train_override_skips_head: F.dropout is on by default": lambda: bool(
        (F.dropout(torch.ones(1000)) == 0).any()
    ),
    "memory/missing_no_grad_at_inference: cpu() keeps the graph": lambda: (
        nn.Linear(1, 1)(torch.ones(1, 1)).cpu().requires_grad
    ),
    "module/unused_squeezenet_fc: a ResNet has fc, SqueezeNet classifier": names,
    "shape/view_channels_last_memory: permute causes the same message": (
        lambda: torch.zeros(2, 3, 4).permute(0, 2, 1).view(2, 12),
        "view size is not compatible",
    ),
    "module/unused_squeezenet_fc: the model still gives 1000 classes": cls,
    "module/out_channels_attribute_changed: the layer prints 10 and gives 1000; so does Linear": lambda: (
        outc() and outf()
    ),
    "shape/view_channels_last_memory: the convolution keeps the format": cl,
    "shape/view_channels_last_memory: a channels-last weight alone is enough": cl_w,
    "training/requires_grad_on_module: the parameters stay trainable": modattr,
    "training/conv_without_bias_before_batchnorm: a bias before BatchNorm changes nothing in train mode and gets a zero gradient up to rounding": lambda: (
        bnbias() and bnbiasgrad()
    ),
    "training/gradient_accumulation: equals the gradient of the batch of eight": accum,
    "training/clip_grad_norm_exhausted_generator: the norm of nothing is 0": clip0,
    "training/clip_grad_norm_exhausted_generator: gradients that are None have a norm of 0 too": lambda: (
        float(nn.utils.clip_grad_norm_(nn.Linear(2, 2).parameters(), 1.0)) == 0
    ),
    "dtype/gradscaler_with_half_model: 1 - 0.0001 is 1 in half precision": half_train_step,
    "dtype/gradscaler_with_half_model: a float32 network that loads float16 stays float32": ld,
    "dtype/gradscaler_with_half_model: without the scaler nothing is raised": half_without_scaler,
    "loss/logits_passed_to_nll_loss: it is minus the label's number, and no logarithm": lambda: (
        torch.allclose(*nll()[:2])
    ),
    "loss/logits_passed_to_nll_loss: on log_softmax it equals cross_entropy": lambda: (
        torch.allclose(*nll(lambda s: F.log_softmax(s, 1))[::2])
    ),
    "loss/logits_passed_to_nll_loss: on a softmax it lies between -1 and 0": lambda: (
        -1 <= float(nll(lambda s: s.softmax(1))[0]) <= 0
    ),
    "state/state_dict_of_deeper_network: strict=False copies what exists and drops the rest": lenient,
    "state/state_dict_of_deeper_network: the other way round, layers are missing": (
        lambda: Strict(3).load_state_dict(Strict(2).state_dict()),
        r'Missing key\(s\) in state_dict: "layers.2.weight"',
    ),
    "state/fx_trace_frozen_mode: the code holds the mode as a constant": lambda: (
        "training = True" in torch.fx.symbolic_trace(Functional()).code
        and "training = False" in torch.fx.symbolic_trace(Functional().eval()).code
    ),
    "state/fx_trace_frozen_mode: eval() does not reach it, nor does train()": lambda: (
        not steady(torch.fx.symbolic_trace(Functional()).eval())
        and steady(torch.fx.symbolic_trace(Functional().eval()).train())
    ),
    "state/fx_trace_frozen_mode: a module of torch.nn follows the mode": lambda: (
        steady((net := torch.fx.symbolic_trace(Module())).eval()) and not steady(net.train())
    ),
    "state/fx_trace_frozen_mode: create_feature_extractor traces both modes": extracted,
    "state/export_python_loop: a batch that may vary is refused": (
        lambda: exported(({0: torch.export.Dim.DYNAMIC},)),
        r"your code specialized it to be a constant \(4\)",
    ),
    "state/export_python_loop: a graph of a fixed batch refuses every other": (
        lambda: exported(None).module()(torch.ones(7, 3, 8, 8)),
        r"Guard failed: x\.size\(\)\[0\] == 4|Expected input",
    ),
    "state/export_python_loop: torch.jit.trace gives 4 images for 7": lambda: (
        len(torch.jit.trace(Rounds(), torch.ones(4, 3, 8, 8))(torch.ones(7, 3, 8, 8))) == 4
    ),
    "data/division_by_zero_std: NaN in its row, NaN gradients despite nan_to_num": blank,
    "data/division_by_zero_std: a grey one has a tiny deviation that is not 0": nearly,
    "data/nan_targets_in_loss: every gradient of a shared weight is NaN": shared,
    "data/nan_targets_in_loss: choosing the known ones is finite": lambda: (
        unknown(lambda p, d: F.mse_loss(p[d.isfinite()], d[d.isfinite()])) == (True, True)
    ),
    "data/nan_targets_in_loss: multiplying by a mask keeps NaN": lambda: (
        unknown(lambda p, d: ((p - d) ** 2 * d.isfinite()).sum()) == (False, False)
    ),
    "data/nan_targets_in_loss: torch.where gives a finite loss and NaN gradients": lambda: (
        unknown(lambda p, d: torch.where(d.isfinite(), (p - d) ** 2, 0.0).mean()) == (True, False)
    ),
    "none/unknown_activation_name: print does not show an attribute that is None": unnamed,
    "none/side_output_is_none: zeros for scores add log(10)": lambda: torch.allclose(
        F.cross_entropy(torch.zeros(4, 10), torch.arange(4)), torch.tensor(10.0).log()
    ),
    "training/optimizer_keeps_old_head: its zero_grad does not know the new head": kept_gradients,
    "training/optimizer_keeps_old_head: net.zero_grad() empties, and nothing moves": lambda: (
        stale(fresh=False) == (True, True, 1)
    ),
    "training/optimizer_keeps_old_head: add_param_group adds the new one, the old one stays": lambda: (
        stale(fresh=True)[::2] == (False, 2)
    ),
}
