"""Content types as MiniStack's services set them.

MiniStack corrects each one after the definition of the service in botocore. It takes a second to read them all, and the
clients here do not look at the content type.
"""

from __future__ import annotations

from ministack.core import responses


def keep() -> None:
    """Let MiniStack find no definition. Then it changes nothing."""
    responses._service_model = lambda service: None  # noqa: SLF001
