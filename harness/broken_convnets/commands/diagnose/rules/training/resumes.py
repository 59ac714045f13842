"""Training that resumes from a checkpoint continues with the state that it stopped with."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import OptimizerStep
    from broken_convnets.observe.recorder.resumes import Resume
    from broken_convnets.observe.recorder.schedulers import SchedulerStep

STATELESS = frozenset({"SGD", "LBFGS"})  # without momentum
SHOWING = frozenset({"print", "info", "debug", "write", "log", "format", "warning"})


@rule(
    "training that resumes from a checkpoint continues with the state of the optimizer",
    stays_quiet="unless the checkpoint counts epochs or steps and the program reads that number; "
    "about optimizers without a state, such as SGD without momentum",
)
def optimizer_starts_anew(evidence: Evidence) -> Iterator[Finding]:
    """Find training that resumes with a new optimizer, whose averages start again at zero."""
    require_success(evidence)
    for resume, counter in _resumes(evidence):
        step = _next_step(evidence, resume)
        if step is None or not step.is_first or not _has_state(evidence, step):
            continue
        yield Finding(
            kind="state/optimizer_state_not_saved",
            message=_message(step.type, saved=resume.has_optimizer),
            evidence=f"the weights are those of {counter} {resume.counters[counter]}, but at the "
            f"next step {step.type} has no averages of earlier gradients",
            violates=(Law.RESUMES_WHERE_IT_STOPPED,),
            cause=location(resume.places),
            symptom=location(step.places),
            subject=step.type,
            cases=("state/optimizer_state_not_saved",),
            confidence=7,
        )
        return


@rule(
    "training that resumes from a checkpoint continues with the state of the scheduler",
    stays_quiet="unless the checkpoint counts epochs or steps and the program reads that number; "
    "about schedulers that are advanced to that number",
)
def scheduler_starts_anew(evidence: Evidence) -> Iterator[Finding]:
    """Find training that resumes with a new scheduler, whose schedule starts again."""
    require_success(evidence)
    for resume, counter in _resumes(evidence):
        step = _next_scheduler_step(evidence, resume)
        if step is None or step.last_epoch != 1 or step.scheduler is None:
            continue
        built = evidence.record.built_schedulers.find(step.scheduler)
        yield Finding(
            kind="state/scheduler_state_not_saved",
            message=_message(step.type, saved=resume.has_scheduler),
            evidence=f"the weights are those of {counter} {resume.counters[counter]}, but "
            f"{step.type} counts the next step as its first one",
            violates=(Law.RESUMES_WHERE_IT_STOPPED,),
            cause=location(resume.places),
            symptom=location(built.places if built else step.places),
            subject=step.type,
            cases=("state/scheduler_state_not_saved",),
            confidence=7,
        )
        return


def _message(name: str, *, saved: bool) -> str:
    """Return what is wrong with a new optimizer or scheduler of type `name`."""
    state = "contains its state, which is not loaded" if saved else "does not contain its state"
    return f"training resumes with a new {name}: the checkpoint {state}"


def _resumes(evidence: Evidence) -> Iterator[tuple[Resume, str]]:
    """Yield the loads of checkpoints with a counter that the program uses, and its key."""
    for resume in evidence.record.resumed.loads:
        for counter in resume.counters:
            if any(_reads(source, counter) for source in evidence.user_sources):
                yield resume, counter
                break


def _reads(source: Source, key: str) -> bool:
    """Return whether a program looks up a key for something else than to show it."""
    for node in source.nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            found: Iterable[ast.expr] = (node.slice,)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found = node.args[:1] if node.func.attr in {"get", "pop"} else ()
        else:
            continue
        is_key = any(isinstance(part, ast.Constant) and part.value == key for part in found)
        if is_key and not _is_shown(source, node):
            return True
    return False


def _is_shown(source: Source, node: ast.AST) -> bool:
    for ancestor in source.ancestors(node):
        if isinstance(ancestor, ast.JoinedStr):
            return True
        if isinstance(ancestor, ast.Call) and isinstance(ancestor.func, ast.Name | ast.Attribute):
            name = getattr(ancestor.func, "attr", "") or getattr(ancestor.func, "id", "")
            if name in SHOWING:
                return True
    return False


def _next_step(evidence: Evidence, resume: Resume) -> OptimizerStep | None:
    own = set(resume.parameters)
    later = (
        step
        for step in evidence.record.optimizer_steps
        if step.number >= resume.moment.optimizer_steps and own & set(step.parameters)
    )
    return next(later, None)


def _has_state(evidence: Evidence, step: OptimizerStep) -> bool:
    if step.type not in STATELESS:
        return True
    built = (
        one
        for one in reversed(list(evidence.record.built_optimizers))
        if one.type == step.type
        and one.moment.optimizer_steps <= step.number
        and set(one.parameters) & set(step.parameters)
    )
    found = next(built, None)
    return found is not None and bool(found.settings.get("momentum"))


def _next_scheduler_step(evidence: Evidence, resume: Resume) -> SchedulerStep | None:
    """Return the first step of a scheduler after a load, if the optimizer steps before it."""
    step = _next_step(evidence, resume)
    found = evidence.record.scheduler_steps.find(resume.scheduler_steps)
    if found is None or step is None or found.moment.optimizer_steps <= step.number:
        return None
    return found
