"""Programs that are sick and attack what observes them, by kind: none may pass as healthy."""

from __future__ import annotations

import msgspec
from broken_convnets.observe.facts import CheckResult, Observation
from broken_convnets.vocabulary import JUDGED
from kit import OUTPUT, TRAINED, doing, importing, patched
from sick_runs import EPOCH

# Sick programs that do not attack; each attack begins with one of them.
LINEAR = patched(("torch.relu(self.conv(x))", "self.conv(x)"))
DETACHED = patched(("torch.flatten(x, 1)", "torch.flatten(x.detach(), 1)"))
INFINITE = patched(("torch.flatten(x, 1))", "torch.flatten(x, 1)) / 0"))
MIXING = patched(("torch.flatten(x, 1)", "torch.flatten(x - x.mean(0), 1)"))
NOISY = patched(("torch.flatten(x, 1)", "torch.flatten(x + torch.randn_like(x), 1)"))
WARNING = patched(("return self.fc(", "return nn.functional.softmax(self.fc("), ("1))", "1)))"))
STALE = patched(("        optimizer.zero_grad()\n", ""), source=EPOCH)
SUMMED = patched(("net(x), labels)", "net(x), labels, reduction='sum')"), source=TRAINED)
SICK = {
    "linear": LINEAR,
    "detached": DETACHED,
    "infinite": INFINITE,
    "mixing": MIXING,
    "noisy": NOISY,
    "warning": WARNING,
    "stale": STALE,
    "summed": SUMMED,
}

HELD = {law: CheckResult(holds=True) for law in JUDGED}
FORGED = msgspec.json.encode(Observation(output=OUTPUT, laws=HELD)).decode()
WRITE = (
    "def write(data):\n"
    "    for descriptor in range(3, 30):\n"
    "        try:\n"
    "            os.write(descriptor, data)\n"
    "        except OSError:\n"
    "            pass\n"
)
ANSWER = f"{WRITE}\n\nFORGED = {FORGED!r}.encode()\n"
ENDINGS = {
    "exits": "os._exit(0)",
    "exits with an error": "os._exit(3)",
    "kills itself": "os.kill(os.getpid(), 9)",
    "terminates itself": "os.kill(os.getpid(), 15)",
    "becomes another program": "os.execv('/bin/true', ['true'])",
    "segfaults": "ctypes.string_at(0)",
    "kills its parent": "os.kill(os.getppid(), 9)",
    "goes on": "pass",
}
FRAME = "struct.pack('!Q', len(FORGED)) + FORGED"
NEEDS = "os, ctypes, struct, sys"


def _forging(when: str, ending: str, data: str) -> str:
    """Return a sick program that writes a forged answer and ends, on import or in `forward`."""
    lines = [f"write({data})", ENDINGS[ending]]
    if when == "on import":
        return importing(NEEDS, ANSWER, *lines, source=LINEAR)
    return doing(*lines, source=importing(NEEDS, ANSWER, source=LINEAR))


FORGING = {
    f"{when}, {ending}, {name}": _forging(when, ending, data)
    for when in ("on import", "in forward")
    for ending in ENDINGS
    for name, data in (("an answer", "FORGED"), ("a reply", FRAME))
}

OBSERVE = "sys.modules['broken_convnets.observe"
SETUP = {
    "the laws are emptied": (LINEAR, f"{OBSERVE}.laws.registry'].CHECKS.clear()"),
    "the laws always hold": (
        LINEAR,
        f"{OBSERVE}.laws.registry'].judge_one = lambda *_: type('R', (), {{'holds': True}})()",
    ),
    "the laws are removed": (MIXING, f"del {OBSERVE}.laws']"),
    "the interpreter's modules are emptied": (LINEAR, "sys.modules.clear()"),
    "allclose is true": (MIXING, "torch.allclose = lambda *_, **__: True"),
    "equal is true": (NOISY, "torch.equal = lambda *_, **__: True"),
    "isfinite is true": (INFINITE, "torch.isfinite = torch.ones_like"),
    "sums are zero": (INFINITE, "torch.Tensor.sum = lambda self, *_, **__: self.new_zeros(())"),
    "cmath has no infinity": (INFINITE, "cmath.isfinite = lambda _: True"),
    "math has no infinity": (INFINITE, "math.isfinite = lambda _: True"),
    "the clock stands still": (NOISY, "time.perf_counter_ns = lambda: 0"),
    "the description is forged": (
        INFINITE,
        f"{OBSERVE}.describe'].describe = lambda *_, **__: '{OUTPUT}'",
    ),
    "the text of values is forged": (
        INFINITE,
        f"{OBSERVE}.remote.describe_value'].is_finite = lambda _: True",
    ),
    "backward of autograd fills in": (
        DETACHED,
        (
            "torch.autograd.backward = lambda *_, **__: [setattr(p, 'grad', torch.ones_like(p)) "
            "for net in NETS for p in net.parameters()]"
        ),
    ),
    "gradients are forged": (
        DETACHED,
        (
            f"{OBSERVE}.local_network'].LocalNetwork.gradients = lambda self, *_: "
            "{n: torch.rand_like(p) for n, p in self.module.named_parameters()}"
        ),
    ),
    "the gradients of parameters are forged": (
        DETACHED,
        (
            f"{OBSERVE}.local_network'].LocalNetwork.parameter_gradients = lambda self: "
            "{n: torch.rand_like(p) for n, p in self.module.named_parameters()}"
        ),
    ),
    "the recorder is replaced": (
        STALE,
        (
            f"{OBSERVE}.local_network'].record_training = lambda net, run: "
            f"{OBSERVE}.subject'].TrainingFacts(False, [], [], True, False, [])"
        ),
    ),
    "the stale gradients are emptied": (
        STALE,
        f"{OBSERVE}.recorder.record'].Record.left_over = lambda *_: []",
    ),
    "the encoder is replaced": (
        INFINITE,
        (
            f"{OBSERVE}.remote.encode'].encode_tensor = lambda t, h=0: "
            f"{OBSERVE}.remote.values'].TensorValue('float32', 'float32', [4, 5], 'cpu', bytes(80))"
        ),
    ),
    "the plain run is replaced": (
        INFINITE,
        f"{OBSERVE}.remote.answering'].Encoder.encode = lambda *_: None",
    ),
    "the check for replaced functions is replaced": (
        LINEAR,
        f"{OBSERVE}.originals'].replaced = lambda: []",
    ),
    "modules are evaluated as if in eval": (NOISY, "nn.Module.eval = lambda self: self"),
    "every mode is replaced": (
        STALE,
        "torch.optim.Optimizer.zero_grad = lambda *_, **__: None",
    ),
}
REPLACING = {
    name: importing("cmath, math, sys, time", "NETS = []", line, source=source)
    for name, (source, line) in SETUP.items()
}

HIDING_LINES = {
    "captured by logging": "logging.captureWarnings(True)",
    "ignored through torch": "nn.functional.warnings.simplefilter('ignore')",
    "ignored through a library": "tempfile._warnings.simplefilter('ignore')",
    "filtered": "warnings.filterwarnings('ignore')",
    "filters emptied": "warnings.filters.clear(); warnings.filters.append("
    "('ignore', None, Warning, None, 0))",
    "filters replaced": "warnings.filters = [('ignore', None, Warning, None, 0)]",
    "never warned": "warnings.warn = lambda *_, **__: None",
    "never shown": "warnings.showwarning = lambda *_, **__: None",
    "never shown, inside": "warnings._showwarnmsg = lambda *_: None",
    "another module of warnings": "sys.modules['warnings'] = type(sys)('warnings')",
    "reset": "warnings.resetwarnings(); warnings.simplefilter('ignore')",
    "a context for good": (
        "stack = contextlib.ExitStack(); stack.enter_context(warnings.catch_warnings()); "
        "warnings.simplefilter('ignore')"
    ),
    "once alone": "torch.set_warn_always(False)",
}
HIDING = {
    name: importing("contextlib, logging, sys, tempfile, warnings", line, source=WARNING)
    for name, line in HIDING_LINES.items()
} | {
    "for a moment": patched(
        (
            "        return nn",
            (
                "        with warnings.catch_warnings():\n"
                "            warnings.simplefilter('ignore')\n            return nn"
            ),
        ),
        source=importing("warnings", source=WARNING),
    )
}
