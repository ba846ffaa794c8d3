"""MiniStack with what it lacks.

It lacks a guard against web pages, complete events, two condition keys, two resource types, the responses of API
Gateway in a definition, shared layers, policies that are parsed once, and forks.

`LocalAws` runs this module instead of `ministack`.
"""

from __future__ import annotations

import os

import ministack.app as ministack

from tests.local import (
    authorizer_events,
    condition_keys,
    content_types,
    forks,
    garbage,
    gateway_responses,
    layers,
    policies,
    resource_types,
)
from tests.local.guard import guarded


def main() -> None:
    """Run MiniStack until it is stopped."""
    del os.environ["PYTHONPATH"]  # for this module only. The functions import nothing from this folder.
    authorizer_events.complete()
    condition_keys.add()
    content_types.keep()
    resource_types.add()
    gateway_responses.add()
    layers.share()
    policies.parse_once()
    if os.environ.pop("FORKS") == "1":
        forks.use()
    garbage.collect_less()  # MiniStack keeps its state in a growing number of objects
    ministack.app = guarded  # `main` starts the application with this name
    ministack.main()


if __name__ == "__main__":
    main()
