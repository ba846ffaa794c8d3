"""Makes `sam` faster: its own YAML parser takes half of the time of `sam deploy`, and garbage collection a tenth.

Python runs this file when it starts, because `stack.FAST_SAM` adds this folder to its path.
"""

import contextlib
import gc

gc.disable()

with contextlib.suppress(ImportError, AttributeError):
    import yaml

    yaml.SafeLoader = yaml.CSafeLoader
