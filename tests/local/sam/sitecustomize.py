"""Lets `sam` parse templates with libyaml: its own parser takes half of the time of `sam deploy`.

Python runs this file when it starts, because `stack.FAST_SAM` adds this folder to its path.
"""

import contextlib

with contextlib.suppress(ImportError, AttributeError):
    import yaml

    yaml.SafeLoader = yaml.CSafeLoader
