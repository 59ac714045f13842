"""Look at what surrounds a forward pass: modes, the line that calls it, inputs and parameters."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.modes import modal_layers
from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.checksums import rows_in, weights_in
from broken_convnets.observe.recorder.image_signatures import ImageLooks
from broken_convnets.observe.recorder.kept_networks import KeptNetworks
from broken_convnets.observe.recorder.kept_outputs import OutputsAlive
from broken_convnets.observe.recorder.places import user_places
from broken_convnets.observe.recorder.scales import Scales
from broken_convnets.observe.recorder.structure import structure_of
from broken_convnets.observe.recorder.values import tensors_in
from broken_convnets.observe.trees import detached

if TYPE_CHECKING:
    from torch import nn

    from broken_convnets.observe.recorder.gradients import Gradients
    from broken_convnets.observe.recorder.operators import OperatorMode
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.record import Record

FRAMES = 3  # from `at_begin` to the call that the recorder stands in for


class Surroundings:
    """Looks at a pass when it begins and ends, as far as the record's options ask for it."""

    def __init__(
        self, record: Record, operators: OperatorMode | None, gradients: Gradients | None
    ) -> None:
        """Start with no pass seen; `operators` and `gradients` are None if switched off."""
        self._record = record
        self._options = record.options
        self._operators = operators
        self._gradients = gradients
        self._kept = KeptNetworks(record)
        self._outputs = OutputsAlive(record)
        self._scales = Scales()
        self._images = ImageLooks()

    def at_begin(self, begun: ForwardPass, root: nn.Module, inputs: object) -> None:
        """Look at modes, place, inputs and parameters before the first layer runs."""
        begun.grad_enabled = torch.is_grad_enabled()
        begun.inference_mode = torch.is_inference_mode_enabled()
        if self._options.modes:
            begun.modes = frozenset(layer.training for layer in modal_layers(root))
        if self._operators is not None:
            begun.places = user_places(sys._getframe(FRAMES))  # noqa: SLF001  (no public equivalent)
            with NoDispatch(), NoFunction():
                begun.received = self._operators.values_in(inputs)
        if self._gradients is not None:
            self._outputs.begin()
            with NoDispatch(), NoFunction():
                begun.parameters = self._gradients.followed.meet(root.named_parameters())
            if begun.number == 1 and self._options.gradients:
                self._record.structures.append(structure_of(root))
        if begun.whole:
            self._look_at_network(begun, root, inputs)

    def at_end(self, ended: ForwardPass, output: object) -> None:
        """Look at the output of a pass; call it under NoDispatch and NoFunction."""
        ended.operators_at_end = self._record.operators.count
        if self._gradients is not None:
            self._outputs.end(ended, tensors_in(output))
        if self._operators is not None:
            ended.returned = self._operators.values_in(output)

    def _look_at_network(self, begun: ForwardPass, root: nn.Module, inputs: object) -> None:
        """Look at a network that is called itself, and not one of its layers."""
        if self._options.captures:
            with NoDispatch(), NoFunction():
                self._capture(begun, root, inputs)
        if self._options.kept_networks and begun.number == 1:
            self._kept.meet(root)
            if self._operators is not None:
                with NoDispatch(), NoFunction():
                    self._record.held_tensors.append(self._operators.held_by(root))
                    self._record.unwritten += self._operators.unwritten_in(root)

    def _capture(self, begun: ForwardPass, root: nn.Module, inputs: object) -> None:
        if begun.number == 1:
            begun.captured = detached(inputs)
        if begun.parameters:
            begun.rows, begun.weights = rows_in(inputs), weights_in(list(root.parameters()))
            place = begun.places[0] if begun.places else None
            begun.scale = self._scales.of(id(root), inputs, place, training=root.training)
            begun.images = self._images.of(id(root), inputs, place, training=root.training)
