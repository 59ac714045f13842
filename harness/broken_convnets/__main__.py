"""Run the command line."""

import sys

from broken_convnets.cli import main

sys.exit(main())
