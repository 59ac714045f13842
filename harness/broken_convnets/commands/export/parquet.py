"""Write programs as a dataset for `datasets`: Parquet files, a dataset card and an `eval.yaml`.

The programs and the answers are in files and configurations of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broken_convnets.commands.export.dataset_card import BROKEN, CARD, EVAL, HEALTHY, question_for
from broken_convnets.commands.export.prompt import FILE, prompt_for
from broken_convnets.commands.score.programs.hand_out import Sides
from broken_convnets.commands.score.programs.key import key_of, write_key
from broken_convnets.commands.score.programs.patch import unified_diff
from broken_convnets.corpus.entries import Case
from broken_convnets.errors import UsageError
from broken_convnets.util.new_folder import new_folder
from broken_convnets.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.corpus.entries import Entry

PROGRAMS, ANSWERS = "programs/test.parquet", "answers/test.parquet"
KEY = "answers/key.json"


def write_parquet(
    samples: Sequence[CorpusProgram], entries: Mapping[str, Entry], seed: int, out: Path
) -> None:
    """Write the samples, their answers and the dataset card, or nothing.

    `entries` contains the entry of each sample by id, `seed` is what the samples were drawn with.
    Raises UsageError if pyarrow is missing, or if `out` exists and is not an empty folder, or
    cannot be written.
    """
    arrow, parquet = _pyarrow()
    tables = {
        PROGRAMS: [_shown(sample) for sample in samples],
        ANSWERS: [_answer(sample, entries[sample.entry]) for sample in samples],
    }
    with new_folder(out) as draft:
        for name, rows in tables.items():
            (draft / name).parent.mkdir()
            parquet.write_table(arrow.Table.from_pylist(rows), draft / name)
        write_key(draft / KEY, key_of(samples, [], seed, Sides.ONE, 0))
        for name, text in {"README.md": CARD, "eval.yaml": EVAL}.items():
            filled = text.replace("VERSION", __version__)
            (draft / name).write_text(filled, encoding="utf-8", newline="\n")


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415  (an extra: not installed for everyone)
        import pyarrow.parquet as pq  # noqa: PLC0415  (see above)
    except ImportError:
        message = "--parquet needs pyarrow: pip install 'broken-convnets[parquet]'"
        raise UsageError(message) from None
    return pa, pq


def _shown(sample: CorpusProgram) -> dict[str, str]:
    return {"id": sample.id, "prompt": prompt_for(sample.source), "program": sample.source}


def _answer(sample: CorpusProgram, entry: Entry) -> dict[str, str]:
    """Return the row of a sample in the answers; `patch` is empty for a healthy program."""
    broken = sample.truth is not None and isinstance(entry, Case)
    fixed = entry.fixed if isinstance(entry, Case) and broken else sample.source
    return {
        "id": sample.id,
        "question": question_for(sample.source),
        "target": BROKEN if broken else HEALTHY,
        "entry": sample.entry,
        "role": sample.role.value,
        "patch": unified_diff(sample.source, fixed, FILE),
    }
