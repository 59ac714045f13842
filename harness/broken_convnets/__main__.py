# PYTHON_ARGCOMPLETE_OK
"""Run the command line: `python -m broken_convnets`."""

import sys

from broken_convnets.cli import main

sys.exit(main())
