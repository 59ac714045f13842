"""Run `python -m broken_convnets.diagnose SCRIPT [ARGUMENT ...]`, like a tool of `torch.utils`.

This module only runs. If it could be imported, it would hide the package's function `diagnose`.
"""

import sys

if __name__ == "broken_convnets.diagnose":
    message = "run this module with `python -m`, or `from broken_convnets import diagnose`"
    raise ImportError(message, name=__name__)

if __name__ == "__main__":
    from broken_convnets.cli import main

    sys.exit(main(["diagnose", *sys.argv[1:]]))
