"""Interpret the keys and shapes in a message of `load_state_dict`."""

from __future__ import annotations

import re

from broken_convnets.commands.explain.figures import Fact, numbers, shown

OLD_PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
PREFIXES = (*OLD_PREFIXES, "model.")
# Keys that programs give to the parts of a checkpoint.
PARTS = {
    "epoch",
    "model",
    "model_state_dict",
    "net",
    "optimizer",
    "optimizer_state_dict",
    "state_dict",
}
NAMES = re.compile(r'"([^"]{1,200})"')
MISSING = re.compile(r"Missing key\(s\) in state_dict:(.*?)(?:Unexpected key|size mismatch|$)")
UNEXPECTED = re.compile(r"Unexpected key\(s\) in state_dict:(.*?)(?:size mismatch|$)")


def parameter(match: re.Match[str]) -> Fact:
    """Read a parameter's shape in a checkpoint and in a network."""
    name, saved, here = match[1], numbers(match[2]), numbers(match[3])
    return Fact(
        f"{name} has shape {shown(saved)} in the checkpoint and {shown(here)} in the network."
    )


def keys(match: re.Match[str]) -> Fact | None:
    """Read the missing and the unexpected keys of a state_dict."""
    missing, unexpected = _names(MISSING, match[0]), _names(UNEXPECTED, match[0])
    if not missing and not unexpected:
        shapes = "size mismatch for" in match[0]
        return Fact("The names agree; shapes differ.", ("other shapes",)) if shapes else None
    for prefix in PREFIXES:
        if _have(prefix, unexpected) and not _have(prefix, missing):
            sentence = f"Every unexpected key begins with `{prefix}`; not all missing keys do."
            return Fact(sentence, (f"prefix {prefix}",))
        if unexpected and _have(prefix, missing) and not _have(prefix, unexpected):
            sentence = f"Every missing key begins with `{prefix}`; not all unexpected keys do."
            return Fact(sentence, (f"prefix {prefix}",))
    if PARTS.intersection(unexpected) - {*missing}:
        found = ", ".join(f"`{name}`" for name in sorted(PARTS.intersection(unexpected)))
        return Fact(f"Among the unexpected keys: {found}. No layer has it.", ("whole checkpoint",))
    # People shorten the lists: the message may have had more keys.
    sentence = f"Keys in this message: {len(missing)} missing, {len(unexpected)} unexpected."
    return Fact(sentence, ("other names",))


def unexpected_key(match: re.Match[str]) -> Fact | None:
    """Read the one unexpected key that torch before 0.4 names."""
    for prefix in OLD_PREFIXES:
        if match[1].startswith(prefix):
            return Fact(f"The unexpected key begins with `{prefix}`.", (f"prefix {prefix}",))
    if match[1] in PARTS:
        return Fact(f"No layer has the unexpected key `{match[1]}`.", ("whole checkpoint",))
    return None


def _names(part: re.Pattern[str], text: str) -> list[str]:
    found = part.search(text)
    return NAMES.findall(found[1])[:1_000] if found else []


def _have(prefix: str, names: list[str]) -> bool:
    """Return whether there are names, and all of them begin with a prefix."""
    return bool(names) and all(name.startswith(prefix) for name in names)
