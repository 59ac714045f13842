"""Write verified variants as a tree of the corpus' form, which other commands can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import tomli_w

from broken_convnets.corpus.entries import Case
from broken_convnets.util import files
from broken_convnets.util.json_output import as_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from broken_convnets.commands.variants.verify import Checked

MANIFEST = "variants.json"


def write_all(folder: Path, kept: Iterable[Checked]) -> None:
    """Write each variant as `<tree>/<topic>/<id>_v<number>.py` with its `.toml`, and a manifest.

    The manifest is written last: a folder without it is not complete.
    """
    manifest = []
    for each in kept:
        made = each.variant
        name = f"{made.id}_v{made.number}"
        _write(folder, name, each)
        manifest.append(
            {
                "id": name,
                "of": made.id,
                "seed": made.seed,
                "number": made.number,
                "transformations": made.transformations,
            }
        )
    files.write(folder / MANIFEST, f"{as_json(manifest)}\n")


def _write(folder: Path, name: str, each: Checked) -> None:
    entry = each.variant.entry
    if isinstance(entry, Case):
        texts = {f"cases/{name}.py": entry.broken, f"fixes/{name}.py": entry.fixed}
        spec = f"cases/{name}.toml"
    else:
        texts = {f"controls/{name}.py": entry.source}
        spec = f"controls/{name}.toml"
    texts[spec] = tomli_w.dumps(_given(entry.spec))
    for place, text in texts.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, text)


def _given(spec: msgspec.Struct) -> dict[str, object]:
    """Return the keys of a declaration that say something, as a `.toml` holds them."""

    def clean(value: object) -> object:
        if isinstance(value, dict):
            return {
                key: clean(inner)
                for key, inner in value.items()
                if inner is not None and inner not in ([], {}) and (key, inner) != ("fails", True)
            }
        return value

    cleaned = clean(msgspec.to_builtins(spec, order="sorted"))
    assert isinstance(cleaned, dict)  # noqa: S101  (a struct becomes one)
    return cleaned
