"""What `explain` shows in the terminal for a symptom, or for a question that a page answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.explain.symptoms.documents import Document
from broken_convnets.util.paragraphs import INDENT, paragraph, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.explain.symptoms.interviews import Answer, Question
    from broken_convnets.commands.explain.symptoms.lookup import SymptomAnswer

    Pieces = Iterator[tuple[str, str]]  # text, each with its style


def pieces(found: SymptomAnswer | Document, top: int, width: int) -> Pieces:
    """Yield an answer in lines of `width` characters, with the `top` most likely cases."""
    yield from _page(found, width) if isinstance(found, Document) else _symptom(found, top, width)


def _page(document: Document, width: int) -> Pieces:
    yield _lines(document.title, width), "bold"
    for line in document.text.split("\n\n"):
        yield "\n" + _lines(line if line.startswith("1.") else " ".join(line.split()), width), ""
    yield f"\nMore: {document.path}\n", "cyan"


def _symptom(found: SymptomAnswer, top: int, width: int) -> Pieces:
    yield _lines(f"Symptom: {found.description}", width), "bold"
    yield "\nLet your program answer: broken-convnets diagnose your_program.py\n", "cyan"
    yield "\nOr answer these questions:\n", "bold"
    numbers = {question.name: number for number, question in enumerate(found.questions, start=1)}
    for question in found.questions:
        yield from _question(question, numbers, width)
    yield "\nThe most likely cases:\n", "bold"
    for case in found.cases[:top]:
        title = wrapped(case.title, width - len(INDENT))
        yield "\n" + "".join(f"{INDENT}{line}\n" for line in title), "bold"
        yield from paragraph("How to tell it apart: ", case.distinguish, width)
        yield f"{INDENT}More: broken-convnets show {case.id}\n", "cyan"
    yield f"\nAll cases: broken-convnets list --symptom {found.symptom}\n", "cyan"


def _question(question: Question, numbers: dict[str, int], width: int) -> Pieces:
    first, *rest = wrapped(f"{numbers[question.name]}. {question.ask}", width - len(INDENT))
    yield "\n" + "".join(f"{INDENT}{line}\n" for line in (first, *rest)), ""
    for answer in question.answers:
        text = f"- {answer.answer}: {_target(answer, numbers)}"
        lines = wrapped(text, width - 2 * len(INDENT))
        yield "".join(f"{INDENT}{INDENT}{line}\n" for line in lines), ""


def _target(answer: Answer, numbers: dict[str, int]) -> str:
    if answer.next:
        return f"question {numbers[answer.next]}"
    if answer.symptom:
        return f'explain "{answer.symptom.description}"'
    return ", ".join(answer.cases)


def _lines(text: str, width: int) -> str:
    return "".join(f"{line}\n" for line in wrapped(text, width))
