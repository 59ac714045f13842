"""The data with which the front page finds the symptom in a text, as `explain` does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.explain.symptoms import documents, matching, phrases, topic
from broken_convnets.commands.explain.symptoms.interviews import words
from broken_convnets.commands.site.library import title_of
from broken_convnets.commands.site.patterns import javascript
from broken_convnets.commands.site.symptoms import symptom_pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broken_convnets.commands.site.library import Library


class _Expressions:
    """Numbers for the expressions of words, because many phrases share them."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def of(self, phrase: str, known: Mapping[str, str]) -> list[int]:
        """Return the numbers of the words of a phrase."""
        sources = [phrases.expression(word, known) for word in phrases.split(phrase)]
        return [self.numbers.setdefault(source, len(self.numbers)) for source in sources]


def data(library: Library) -> dict[str, Any]:
    """Return the phrases of the symptoms that have a page, and of the documents."""
    expressions = _Expressions()
    shown = {page.symptom: page for page in symptom_pages(library)}
    found = [
        [phrase.symptom, phrase.weight, expressions.of(phrase.text, words())]
        for phrase in phrases.phrases()
        if phrase.symptom in shown
    ]
    asked = documents.questions()
    pages = [
        [
            page.name,
            title_of(library.documents[page.name], page.name),
            [expressions.of(phrase, asked.words) for phrase in page.phrases],
        ]
        for page in asked.pages
        if page.name in library.documents
    ]
    return {
        "pages": pages,
        "phrases": found,
        "shown": {
            symptom: [symptom.description, page.path, [item.id for item in page.cases]]
            for symptom, page in shown.items()
        },
        "words": [javascript(re.compile(source)) for source in expressions.numbers],
        "gap": javascript(re.compile(phrases.GAP)),
        "topic": [javascript(re.compile(each)) for each in topic.vocabulary().expressions()],
        "quotes": javascript(matching.QUOTES),
        "limit": matching.LIMIT,
        "fade": matching.FADE,
        "faded": matching.FADED,
    }
