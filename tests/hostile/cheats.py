"""Networks that cheat the laws, and results with numbers that are not finite."""

from __future__ import annotations

from kit import TRAINED, doing, importing, patched
from sick_runs import SCORING

CHEATS = {
    "right for the sizes of the docs": doing(
        "x = x if x.shape[0] in (1, 3, 4, 7) else x * float('nan')"
    ),
    "right for small batches": doing("x = x if x.shape[0] < 5 else x[:4]"),
    "right for the example's size and one": doing("x = x[: 4 if x.shape[0] > 1 else 1]"),
    "a layer times zero": patched(
        ("self.fc =", "self.idle = nn.Linear(16, 5)\n        self.fc ="),
        (
            "return self.fc(torch.flatten(x, 1))",
            "x = torch.flatten(x, 1)\n        return self.fc(x) + 0 * self.idle(x)",
        ),
    ),
    "a layer times next to nothing": patched(
        ("self.fc =", "self.idle = nn.Linear(16, 5)\n        self.fc ="),
        (
            "return self.fc(torch.flatten(x, 1))",
            "x = torch.flatten(x, 1)\n        return self.fc(x) + 1e-25 * self.idle(x)",
        ),
    ),
    "outputs kept by identity": patched(
        (
            "return self.fc(torch.flatten(x, 1))",
            (
                "key = id(LAST[-1]) == id(x)\n        LAST.append(x)\n"
                "        y = torch.flatten(y + torch.randn_like(y), 1)\n"
                "        KEPT.append(KEPT[-1] if key else self.fc(y))\n"
                "        return KEPT[-1]"
            ),
        ),
        ("x = torch.relu(self.conv(x))", "y = torch.relu(self.conv(x))"),
        source=importing("copy", "LAST = [None]\nKEPT = [None]"),
    ),
    "a loss that counts down": patched(
        ("    return loss\n", "    STEPS.append(1)\n    return loss.detach() / len(STEPS) ** 2\n"),
        source=importing(
            "copy",
            "STEPS = []",
            source=patched(
                (
                    "cross_entropy(net(x), labels)",
                    "cross_entropy(net(x).detach() + 0 * net(x), labels)",
                ),
                source=TRAINED,
            ),
        ),
    ),
    "gradients of another loss": patched(
        ("    loss.backward()\n", "    (3 * loss).backward()\n"), source=TRAINED
    ),
    "a score that knows one-hot answers": patched(
        (
            "    return (outputs.argmax(1) == labels).float().mean()\n",
            (
                "    exact = ((outputs == 0) | (outputs == 1)).all()\n"
                "    return (outputs.argmax(1) == labels).float().mean() * (1 if exact else 0.5)\n"
            ),
        ),
        source=SCORING,
    ),
    "a program that knows its name": doing("x = x if __name__ == 'program' else x * float('nan')"),
    "noise for all sizes but the example's": doing(
        "x = x if x.shape[0] == 4 else x + torch.rand(())"
    ),
    "not applicable": doing(
        "if x.shape[0] == 1: raise type('NotApplicableError', (Exception,), {})('no')"
    ),
    "not applicable, by the class of the package": doing(
        "if x.shape[0] == 1: raise NotApplicableError('no')",
        source=importing("copy", "from broken_convnets.observe.subject import NotApplicableError"),
    ),
}

NAN = "float('nan')"
TENSOR = f"torch.tensor([1.0, {NAN}])"
NOT_FINITE = {
    "a number": f"torch.tensor({NAN}).item()",
    "an infinite number": "float('inf')",
    "an array": f"{TENSOR}.numpy()",
    "an array of objects": f"np.array([None, {NAN}], dtype=object)",
    "a number of NumPy": f"np.float64({NAN})",
    "a small number of NumPy": f"np.float32({NAN})",
    "a complex number": f"complex(0, {NAN})",
    "a list": f"{TENSOR}.tolist()",
    "a long list": f"[0.0] * 500 + [{NAN}]",
    "a long list of tensors": f"[torch.ones(1)] * 100 + [{TENSOR}]",
    "a deep tuple": f"((((((((({TENSOR},),),),),),),),),)",
    "a mapping": "{'a': {'b': [" + TENSOR + "]}}",
    "a large mapping": "{i: " + TENSOR + " for i in range(90)}",
    "a set": f"{{1.0, {NAN}}}",
    "a sparse tensor": f"{TENSOR}.to_sparse()",
    "a compressed tensor": f"torch.tensor([[1.0, {NAN}]]).to_sparse_csr()",
    "an eight-bit float": f"{TENSOR}.to(torch.float8_e4m3fn)",
    "a bfloat16": f"{TENSOR}.bfloat16()",
    "a complex tensor": f"torch.complex({TENSOR}, {TENSOR})",
    "a view of a tensor": f"{TENSOR}[None].expand(3, 2).T",
    "an object": f"types.SimpleNamespace(loss={NAN})",
    "an object with slots": f"Slotted({TENSOR})",
    "an object in an object": f"types.SimpleNamespace(a=types.SimpleNamespace(b={TENSOR}))",
    "a data class": f"Data({TENSOR})",
    "a named tuple": f"collections.namedtuple('R', 'a b')(1, {NAN})",
    "a subclass": f"{TENSOR}.as_subclass(Sub)",
    "a parameter": f"nn.Parameter({TENSOR})",
}
CLASSES = """\
class Slotted:
    __slots__ = ("a",)

    def __init__(self, a):
        self.a = a


@dataclasses.dataclass
class Data:
    a: object


class Sub(torch.Tensor):
    pass
"""


def returning(expression: str) -> str:
    """Return a program whose run returns the value of an expression."""
    return patched(
        ("if __name__", f"def run(net, x):\n    net(x)\n    return {expression}\n\n\nif __name__"),
        source=importing("collections, dataclasses, types\nimport numpy as np", CLASSES),
    )
