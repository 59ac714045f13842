"""Record settings of optimizers that a program stores where torch does not read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.optim.optimizer import register_optimizer_step_pre_hook

from broken_convnets.observe.near_names import meant_name, names_in_code

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.record import Record


@dataclass(frozen=True, slots=True)
class UnreadSetting:
    """A number stored as `optimizer.lr` or `group["learning_rate"]`, and the one that is used.

    `owner` is "optimizer", "scheduler" or "group"; `meant` is the setting that torch reads.
    """

    owner: str
    type: str  # of the optimizer or scheduler
    name: str
    meant: str
    value: float
    used: float


class UnreadSettings:
    """Looks at every optimizer of torch before its steps."""

    def __init__(self, record: Record) -> None:
        """Start with none."""
        self._record = record
        self._sizes: dict[int, tuple[int, ...]] = {}  # of what an optimizer stores, by identity

    def patch(self, patches: Patches) -> None:
        """Put a hook on the steps of all optimizers."""
        patches.at_end(register_optimizer_step_pre_hook(self._before_step).remove)

    def _before_step(self, optimizer: Any, *_: object) -> None:
        try:
            groups = optimizer.param_groups
            sizes = (len(vars(optimizer)), *map(len, groups))
            if self._sizes.get(id(optimizer)) == sizes:
                return  # the names are those of its last step
            self._sizes[id(optimizer)] = sizes
            note_unread(self._record, "optimizer", optimizer, groups)
            for group in groups if _is_of_torch(optimizer) else ():
                read = {name: group[name] for name in optimizer.defaults if name in group}
                _note(self._record, "group", type(optimizer).__name__, group, read)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)


def note_unread(record: Record, owner: str, subject: Any, groups: list[dict[str, Any]]) -> None:
    """Note the attributes of an optimizer or scheduler of torch that belong into its groups."""
    if _is_of_torch(subject) and groups:
        known = names_in_code(type(subject))
        stored = {name: value for name, value in vars(subject).items() if name not in known}
        _note(record, owner, type(subject).__name__, stored, groups[0])


def _is_of_torch(subject: object) -> bool:
    return type(subject).__module__.startswith("torch.optim")


def _note(
    record: Record, owner: str, kind: str, stored: dict[str, Any], read: dict[str, Any]
) -> None:
    for name, value in stored.items():
        if type(value) not in {int, float} or (owner, name) in record.unread_settings:
            continue
        at_home = owner == "group"  # where a known name is right
        meant = name if not at_home and name in read else meant_name(name, read)
        used = read.get(meant)
        if isinstance(used, int | float) and type(used) is not bool and used != value:
            found = UnreadSetting(owner, kind, name, meant, float(value), float(used))
            record.unread_settings[owner, name] = found
