"""A network of this process, as the laws see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from broken_convnets.observe.devices import creating_on
from broken_convnets.observe.modes import is_frozen
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.observe.training_recorder import record_training
from broken_convnets.observe.trees import map_tensors, move, tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.observe.subject import TrainingFacts, Values


class LocalNetwork:
    """Wraps a module of this process.

    `run` is what the subject does with it; `device` is the one under which it is called. None
    leaves the default device of the process. `call` calls a function of the subject by its name.
    """

    def __init__(
        self,
        module: nn.Module,
        forward: Callable[[nn.Module, Values], Any],
        run: Callable[[nn.Module, Values, Values], Any] | None = None,
        device: torch.device | None = None,
        call: Callable[..., Any] | None = None,
    ) -> None:
        """Wrap a module."""
        self.module = module
        self._forward = forward
        self._run = run
        self._device = device
        self._call = call

    @property
    def frozen(self) -> list[str]:
        """The paths of the layers with parameters of which none is trained."""
        return [path for path, layer in self.module.named_modules() if is_frozen(layer)]

    def eval(self) -> LocalNetwork:
        """Switch to eval mode, and return this network."""
        self.module.eval()
        return self

    def forward(self, inputs: Values) -> Any:
        """Return the output of one forward pass."""
        with creating_on(self._device):
            return self._forward(self.module, inputs)

    def run(self, inputs: Values, targets: Values) -> Any:
        """Do what the subject is for; one forward pass if it has no run of its own."""
        if self._run is None:
            return self.forward(inputs)
        with creating_on(self._device):
            return self._run(self.module, inputs, targets)

    def inference(self, inputs: Values) -> None:
        """Run one forward pass in inference mode, and wait for the device."""
        with torch.inference_mode():
            self.forward(inputs)
        if self._device is not None and self._device.type == "cuda":
            torch.cuda.synchronize()

    def recorded_run(self, inputs: Values, targets: Values) -> TrainingFacts:
        """Run, and return what the run does."""
        return record_training(self.module, lambda: self.run(inputs, targets))

    def graph_size(self, inputs: Values, targets: Values) -> int:
        """Run, and return how many nodes of the autograd graph the result keeps alive."""
        result = self.run(inputs, targets)
        seen: set[Any] = set()
        waiting = [tensor.grad_fn for tensor in tensors(result) if tensor.grad_fn is not None]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += [below for below, _ in node.next_functions if below is not None]
        return len(seen)

    def call(self, function: str, *arguments: Any) -> Any:
        """Return what a function of the subject returns for this network and more arguments."""
        if self._call is None:
            message = f"the network has no {function}"
            raise NotApplicableError(message)
        with creating_on(self._device):
            return self._call(function, self.module, *arguments)

    def parameters(self) -> dict[str, torch.Tensor]:
        """Return the parameters."""
        return dict(self.module.named_parameters())

    def parameter_gradients(self) -> dict[str, torch.Tensor | None]:
        """Return the gradients that the parameters hold now."""
        return {name: parameter.grad for name, parameter in self.module.named_parameters()}

    def gradients(
        self, inputs: Values, directions: list[torch.Tensor]
    ) -> dict[str, torch.Tensor | None]:
        """Return the gradient of each parameter, of the outputs' products with directions."""
        outputs = tensors(self.forward(inputs))
        products = [
            (one * direction.to(one)).sum()
            for one, direction in zip(outputs, directions, strict=True)
        ]
        torch.autograd.backward(products)
        return self.parameter_gradients()

    def shift(self, direction: dict[str, torch.Tensor], step: float) -> None:
        """Add `step` times a direction to the parameters that it names, in place."""
        with torch.no_grad():
            for name, value in self.module.named_parameters():
                if name in direction:
                    value.add_(direction[name].to(value), alpha=step)

    def adam(self, learning_rate: float) -> _Adam:
        """Return an Adam optimizer of all parameters."""
        return _Adam(torch.optim.Adam(self.module.parameters(), lr=learning_rate))

    def buffers(self, path: str = "") -> dict[str, torch.Tensor]:
        """Return copies of the buffers of the module at `path`."""
        found = self.module.get_submodule(path).named_buffers(prefix=path)
        return {name: buffer.clone() for name, buffer in found}

    def state(self) -> dict[str, Any]:
        """Return the state_dict."""
        state: dict[str, Any] = self.module.state_dict()
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Load a state_dict; raises RuntimeError if keys or shapes differ."""
        self.module.load_state_dict(state)

    def move(self, device: str) -> dict[str, str]:
        """Move to a device; return the device of every tensor that any module holds, by name."""
        self.module.to(device)
        return {name: tensor.device.type for name, tensor in _held_tensors(self.module)}

    def forward_there(self, inputs: Values, device: str | None = None) -> list[str]:
        """Run one forward pass; return the paths of the layers that returned, in their order.

        `device` is one to which the network was moved; None leaves the inputs where they are.
        """
        called: list[str] = []
        hooks = [
            module.register_forward_hook(lambda *_, path=path: called.append(path))
            for path, module in self.module.named_modules()
        ]
        try:
            self._forward(self.module, move(inputs, torch.device(device)) if device else inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return called

    def export(self, inputs: Values, others: Values) -> Any:
        """Export with `torch.export` and a dynamic batch size; raises what export raises.

        Returns what the exported program returns for `others`.
        """
        dynamic = torch.export.Dim.DYNAMIC
        shapes = map_tensors(inputs, lambda x: {0: dynamic} if x.ndim else None)
        with creating_on(self._device):
            exported = torch.export.export(self.module, inputs, dynamic_shapes=shapes, strict=False)
            return exported.module()(*others)


class _Adam:
    """An Adam optimizer that clears the gradients after each step."""

    def __init__(self, optimizer: torch.optim.Adam) -> None:
        self._optimizer = optimizer

    def step(self) -> None:
        self._optimizer.step()
        self._optimizer.zero_grad()


def _held_tensors(net: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor that a module's attributes hold, lists and dicts included."""
    for path, module in net.named_modules():
        for name, value in vars(module).items():
            for tensor in tensors(_opened(value)):
                yield f"{path}.{name}".lstrip("."), tensor


def _opened(value: object) -> object:
    """Replace modules that are kept in plain containers by their tensors."""
    if isinstance(value, nn.Module):
        return [*value.parameters(), *value.buffers()]
    if isinstance(value, (list, tuple)):
        return [_opened(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _opened(item) for key, item in value.items()}
    return value
