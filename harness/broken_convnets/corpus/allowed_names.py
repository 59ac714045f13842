"""What a program of the corpus may import, and the names that it may not use.

A program needs a network, some data and a training step. It needs nothing that reaches the
interpreter, other modules' internals or the code that observes it.
"""

from __future__ import annotations

import sys


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ANY: frozenset[str] = frozenset()  # every public name of a module

# Modules of the standard library, with the names that may be used.
STANDARD = {
    **dict.fromkeys(
        _names(
            "__future__ abc bisect cmath collections contextlib csv datetime decimal enum "
            "fractions hashlib heapq itertools json math numbers operator random re "
            "statistics string struct tempfile time typing zlib "
        ),
        ANY,
    ),
    "copy": frozenset({"copy", "deepcopy"}),
    "dataclasses": frozenset({"asdict", "astuple", "dataclass", "field", "replace"}),
    "functools": frozenset(
        {"cache", "cached_property", "lru_cache", "partial", "reduce", "singledispatch", "wraps"}
    ),
    "glob": frozenset({"glob", "iglob"}),
    "io": frozenset({"BytesIO", "StringIO"}),
    "os": _names("fspath listdir makedirs mkdir path remove rename rmdir scandir sep walk"),
    "pathlib": frozenset({"Path", "PurePath"}),
}
LIBRARIES = frozenset({"PIL", "numpy", "torch", "torchvision"})

# Parts of these libraries that change other code, load foreign code, or ask who is watching.
REFUSED_PARTS = _names(
    "numpy.ctypeslib numpy.f2py numpy.testing torch.compiler torch.hub torch.library "
    "torch.multiprocessing torch.ops torch.overrides torch.package torch.set_warn_always "
    "torch.testing torch.utils.cpp_extension torchvision.io"
)
# These are modules too, so that they may not be used as values.
SUBMODULES = _names(
    "PIL.Image os.path torch.autograd torch.backends torch.cuda torch.distributed torch.nn "
    "torch.nn.functional torch.nn.init torch.nn.modules torch.nn.parallel torch.nn.utils "
    "torch.optim torch.serialization torch.utils torch.utils.data torchvision.datasets "
    "torchvision.models torchvision.ops torchvision.transforms "
    "torchvision.transforms.functional torchvision.transforms.v2 "
    "torchvision.transforms.v2.functional torchvision.tv_tensors"
)
SETTINGS = "torch.backends"  # whose attributes a program may set

# Functions that run text, or that reach any name or attribute.
REFUSED_FUNCTIONS = _names(
    "breakpoint compile dir eval exec exit globals help input locals quit vars"
)
BY_NAME = frozenset({"delattr", "getattr", "hasattr", "setattr"})  # functions that name attributes

# Attributes that lead out of a program: modules inside other modules (`tempfile.os`), functions
# that find attributes by text, questions whether the code is being traced, frames.
REFUSED_ATTRIBUTES = _names(
    "register_load_state_dict_post_hook register_load_state_dict_pre_hook "
    "register_module_backward_hook register_module_buffer_registration_hook "
    "register_module_forward_hook register_module_forward_pre_hook "
    "register_module_full_backward_hook register_module_full_backward_pre_hook "
    "register_module_module_registration_hook register_module_parameter_registration_hook "
    "register_optimizer_step_post_hook register_optimizer_step_pre_hook "
    "register_state_dict_post_hook register_state_dict_pre_hook "
    "asyncio atexit attrgetter builtins ctypes faulthandler fcntl gc get_field get_type_hints "
    "importlib inspect is_compiling is_exporting is_in_onnx_export is_scripting is_tracing "
    "linecache logging marshal methodcaller mmap mro multiprocessing os pickle pkgutil posix "
    "resource runpy set_warn_always shutil socket subprocess sys sysconfig threading traceback "
    "tracemalloc unittest update_wrapper warnings weakref ag_frame co_code co_consts cr_frame "
    "f_back f_builtins f_code f_globals f_locals f_trace gi_code gi_frame gi_yieldfrom tb_frame "
    "tb_next"
)
# Methods by which torch, and whoever judges a network, looks at it and moves it. A network that
# answers them itself can say anything.
KEPT_METHODS = _names(
    "_apply _call_impl _load_from_state_dict _named_members _save_to_state_dict "
    "_wrapped_call_impl buffers children get_buffer get_parameter get_submodule load_state_dict "
    "modules named_buffers named_children named_modules named_parameters parameters "
    "register_forward_hook register_forward_pre_hook requires_grad_ state_dict to to_empty "
)
# Functions that set the state of generators that all code shares: randomness is then only hidden.
SEEDING = _names(
    "numpy.random.seed numpy.random.set_state random.seed random.setstate torch.cuda.manual_seed "
    "torch.cuda.manual_seed_all torch.cuda.set_rng_state torch.default_generator "
    "torch.manual_seed torch.random.fork_rng torch.random.manual_seed "
    "torch.random.default_generator torch.random.set_rng_state torch.set_rng_state "
)
SPECIAL_METHODS = _names(
    "__call__ __contains__ __enter__ __eq__ __exit__ __getitem__ __hash__ __init__ "
    "__iter__ __len__ __next__ __post_init__ __repr__ __str__ "
)


def refused_attribute(name: str) -> bool:
    """Return whether no program may use an attribute of this name, whatever it belongs to."""
    is_special = name.startswith("__") and name != "__init__"
    return is_special or name in REFUSED_ATTRIBUTES


def may_become_refused(prefix: str) -> bool:
    """Return whether a name that begins with `prefix` could be one of a refused attribute."""
    return prefix.startswith("_") or any(name.startswith(prefix) for name in REFUSED_ATTRIBUTES)


def why_refused(path: str) -> str:
    """Return why a program may not use a dotted name of a module; empty if it may."""
    first, *parts = path.split(".")
    if first in LIBRARIES:
        return "" if _is_public(path) else "is not for programs"
    if first not in STANDARD:
        return (
            f"is not for programs: import only {', '.join(sorted(LIBRARIES))} and the modules of "
            "the standard library that the case format lists"
        )
    allowed = STANDARD[first]
    if parts and allowed and parts[0] not in allowed:
        return f"is not for programs: of {first}, use only {', '.join(sorted(allowed))}"
    leads_out = parts and parts[0] in sys.stdlib_module_names - {first, "abc"}
    return "is another module: import that one" if leads_out else ""


def _is_public(path: str) -> bool:
    """Return whether a dotted name of a library is public, and no part of it is refused."""
    parts = path.split(".")
    prefixes = {".".join(parts[:size]) for size in range(1, len(parts) + 1)}
    return not prefixes & REFUSED_PARTS and not any(part.startswith("_") for part in parts)
