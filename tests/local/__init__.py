"""What `make run` and the suite start: the stack on local AWS, and the webhook of a studio."""

from __future__ import annotations

import yaml

# MiniStack and the SAM translator use this class, which parses in Python. A template then takes a second.
yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
