"""Fuzzing for as long as you like: `make soak SECONDS=60`.

The suite runs 300 random inputs per target. The soak runs the same targets for a given time. `targets` lists them.
"""

import sys
from pathlib import Path

# pytest adds this path for the suite, see pyproject.toml.
sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "shotgrid_login"))
