"""The schema of the `.toml` of a case, a control and a guide."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from broken_convnets.corpus.symptoms import Symptom
from broken_convnets.vocabulary import Law, Stage

SAYS_LIMIT = 300

Text = Annotated[str, Meta(min_length=1, pattern=r"\S")]
Url = Annotated[str, Meta(pattern=r"^https://\S+$")]
Kind = Annotated[str, Meta(pattern=r"^[a-z0-9_]+/[a-z0-9_]+$")]
Level = Annotated[int, Meta(ge=1, le=3)]
Sources = Annotated[list[Url], Meta(min_length=1)]


class Override(Struct, frozen=True, forbid_unknown_fields=True):
    """How the failure differs on a device or release; other keys stay as in `[broken]`.

    `fails = false` means that the case does not fail there.
    """

    fails: bool | UnsetType = UNSET
    stage: Stage | UnsetType = UNSET
    raises: Text | UnsetType = UNSET
    message: Text | UnsetType = UNSET
    expression: Text | UnsetType = UNSET
    layer: Text | UnsetType = UNSET

    def given(self) -> dict[str, Any]:
        """Return the keys that are set."""
        fields = msgspec.structs.asdict(self)
        return {key: value for key, value in fields.items() if value is not UNSET}


class Broken(Struct, frozen=True, forbid_unknown_fields=True):
    """The declared failure: loud (raises, message, expression) or silent (violates).

    `torch` maps version specifiers such as "<2.13" to what differs there.
    """

    stage: Stage
    raises: Text | None = None
    message: Text | None = None
    expression: Text | None = None
    layer: Text | None = None
    violates: frozenset[Law] = frozenset()
    cuda: Override | None = None
    torch: dict[str, Override] = {}
    fails: bool = True

    def on(self, device: str, release: str) -> Broken:
        """Return the failure as declared for a device and a release of torch."""
        from packaging.specifiers import SpecifierSet  # noqa: PLC0415  (only where there are any)

        changed: dict[str, Any] = {}
        for versions, override in self.torch.items():
            if SpecifierSet(versions).contains(release, prereleases=True):
                changed |= override.given()
        if device == "cuda" and self.cuda is not None:
            changed |= self.cuda.given()
        return msgspec.structs.replace(self, cuda=None, torch={}, **changed)


class Healthy(Struct, frozen=True, forbid_unknown_fields=True):
    """The output of a fix or a control and, if it matters, its inputs and size.

    `range` is that of all input values, which must also span half of it; `channels` the mean
    of each channel of the first input, up to 0.05; `parameters` counts numbers, not tensors:
    the trainable ones and all of them.
    """

    output: Text
    inputs: Text | None = None
    range: tuple[float, float] | None = None
    channels: list[float] | None = None
    parameters: tuple[int, int] | None = None


class OtherMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """A wording of a failure that is not recorded, as the last line of a traceback.

    `torch` names the releases that raise it: "1.4", or "1.0.1 - 1.7.1".
    """

    message: Annotated[Text, Meta(max_length=SAYS_LIMIT)]
    torch: Text | None = None


class CaseSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything declared about a case; `torch` names the releases under which its fix works.

    `generated` says which command generated the programs, whose style is then not checked.
    """

    title: Text
    covers: Annotated[list[Kind], Meta(min_length=1)]
    sources: Sources
    level: Level
    hints: Annotated[list[Text], Meta(min_length=1)]
    why: Text
    diagnose: Text
    distinguish: Text
    broken: Broken
    fixed: Healthy
    other_fix_sites: list[Text] = []
    differs: Text | None = None
    torch: Text | None = None
    other_messages: list[OtherMessage] = []
    symptoms: list[Symptom] = []
    waive: dict[Law, Text] = {}
    generated: Text | None = None


class ControlSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything declared about a control; `torch` as in a case."""

    title: Text
    claim: Text
    truth: Text
    sources: Sources
    level: Level
    works: Healthy
    waive: dict[Law, Text] = {}
    torch: Text | None = None


class GuideSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything declared about an error that no program shows.

    `unverified` is the reason, as a clause: "it needs a CUDA GPU". `steps` are what to try, in
    this order; `related` are ids of cases and controls.
    """

    title: Text
    unverified: Text
    covers: Annotated[list[Kind], Meta(min_length=1)]
    sources: Sources
    why: Text
    steps: Annotated[list[Text], Meta(min_length=1)]
    distinguish: Text
    messages: Annotated[list[OtherMessage], Meta(min_length=1)]
    related: list[str] = []
