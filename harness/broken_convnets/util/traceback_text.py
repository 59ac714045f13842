"""The lines of a Python traceback, as text."""

from __future__ import annotations

import re

# 'File "net.py", line 12, in forward'; some tools leave out the function.
FRAME = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+)(?:, in (?P<name>\S+))?')
