"""Links that open a notebook on GitHub at Colab and at Binder."""

from __future__ import annotations

import re
from urllib.parse import quote

from broken_convnets.errors import UsageError

ADDRESS = re.compile(
    r"https://github\.com/(?P<repository>[\w.-]+/[\w.-]+)/blob/(?P<branch>[\w.-]+)"
    r"/(?P<path>[^\s?#]+\.ipynb)"
)
EXAMPLE = "https://github.com/OWNER/REPOSITORY/blob/BRANCH/FILE.ipynb"


def badges(address: str) -> list[str]:
    """Return one line of Markdown with both links; none without an address.

    Raises UsageError if it is not the address of a notebook on GitHub.
    """
    if not address:
        return []
    found = ADDRESS.fullmatch(address)
    if found is None:
        message = f"{address!r} is not the address of a notebook on GitHub, such as {EXAMPLE}"
        raise UsageError(message)
    place, path = f"{found['repository']}/", quote(found["path"])
    colab = f"https://colab.research.google.com/github/{place}blob/{found['branch']}/{path}"
    binder = f"https://mybinder.org/v2/gh/{place}{found['branch']}?labpath={quote(path, safe='')}"
    return [f"[Open in Colab]({colab}) · [Open in Binder]({binder})"]
