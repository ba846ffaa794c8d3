"""Fewer garbage collections, for processes with many objects that stay."""

import gc


def collect_less() -> None:
    """Collect garbage among new objects only, and rarely. With the defaults it takes up to a seventh of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
