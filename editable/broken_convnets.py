"""In an editable install, give the package in `harness/` its installed name."""

import harness

__path__ = harness.__path__
