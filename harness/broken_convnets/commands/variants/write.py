"""Write verified variants as a corpus folder that other commands can read."""

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

    from broken_convnets.commands.variants.verify import CheckedVariant
    from broken_convnets.corpus.entries import Entry

MANIFEST = "variants.json"


def write_all(folder: Path, checked: Iterable[CheckedVariant]) -> None:
    """Write each variant as `<tree>/<topic>/<id>_v<number>.py` with its `.toml`, and a manifest.

    The manifest is written last: a folder without it is not complete.
    """
    manifest = []
    for each in checked:
        variant = each.variant
        name = f"{variant.id}_v{variant.number}"
        write_entry(folder, name, variant.entry)
        manifest.append(
            {
                "id": name,
                "of": variant.id,
                "seed": variant.seed,
                "number": variant.number,
                "transformations": variant.transformations,
            }
        )
    files.write(folder / MANIFEST, f"{as_json(manifest)}\n")


def write_entry(folder: Path, name: str, entry: Entry) -> None:
    """Write the programs and the `.toml` of an entry, with the id `name`, as in a corpus."""
    if isinstance(entry, Case):
        texts = {f"cases/{name}.py": entry.broken, f"fixes/{name}.py": entry.fixed}
        spec = f"cases/{name}.toml"
    else:
        texts = {f"controls/{name}.py": entry.source}
        spec = f"controls/{name}.toml"
    texts[spec] = tomli_w.dumps(_to_toml(entry.spec))
    for place, text in texts.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, text)


def _to_toml(spec: msgspec.Struct) -> dict[str, object]:
    """Return a declaration as a `.toml` lists it: without defaults and empty values."""

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
