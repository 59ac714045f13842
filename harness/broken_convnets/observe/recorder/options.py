"""What a recorder records. A reader switches on, and pays for, only what it needs."""

from __future__ import annotations

from dataclasses import dataclass

CALL_LIMIT = 200  # module calls of one forward pass
OPERATOR_LIMIT = 30_000
EVENT_LIMIT = 2_000  # of every other kind of event


@dataclass(frozen=True)
class Options:
    """The parts of a recorder that are switched on, and the bounds of its record.

    Of more than a limit, the first and the last half are kept. `step` is the forward pass of each
    network, counted from 1, whose calls are kept besides those of its last one.
    """

    calls: bool = False  # module calls, with a description of their inputs and outputs
    literals: bool = False  # numbers and strings in those descriptions, not only their types
    captures: bool = False  # inputs of the first pass of each network, checksums of all samples
    kept_networks: bool = False  # networks stay alive, one of each kind, and tensors they hold
    modes: bool = False  # train() and eval(), and the modes of the layers at each forward pass
    operators: bool = False  # torch functions, and the user's place of each
    values: bool = False  # whether an operator's outputs are finite, and the value of scalars
    losses: bool = False  # what loss functions, and operators with poles, receive
    metrics: bool = False  # copies of scores and labels that user functions receive, kept alive
    steps: bool = False  # optimizer steps, without a look at any parameter
    gradients: bool = False  # backward passes, contents of .grad, and what steps do with it
    constructions: bool = False  # where modules, optimizers and loaders are constructed
    loaders: bool = False  # epochs of every DataLoader, data that reading modifies, listings
    datasets: bool = False  # the datasets of loaders stay alive, so that they can be read again
    warnings: bool = False
    dispatch: bool = False  # counts of the ATen operators below autograd, and of their storages
    step: int | None = None
    call_limit: int = CALL_LIMIT
    operator_limit: int = OPERATOR_LIMIT
    event_limit: int = EVENT_LIMIT

    @classmethod
    def everything(cls) -> Options:
        """Return options that record all but the ATen operators."""
        return cls(
            calls=True,
            literals=True,
            captures=True,
            kept_networks=True,
            modes=True,
            operators=True,
            values=True,
            losses=True,
            metrics=True,
            gradients=True,
            constructions=True,
            loaders=True,
            datasets=True,
            warnings=True,
        )
