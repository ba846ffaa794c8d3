"""The AWS clients: each is created once per function instance.

They are clients of botocore, which boto3 is built on. Its layer contains only the operations that the functions call
(`layers/dependencies/build.py`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

# DynamoDB and KMS respond within milliseconds. Fail and retry early: a function can have to wait for the site and then
# for two calls that hang, and API Gateway stops waiting after 29 s. A call takes 4 s at most: two tries and a pause.
# Seconds.
_CONFIG = Config(connect_timeout=1, read_timeout=1.5, retries={"mode": "standard", "total_max_attempts": 2})


@cache
def dynamodb() -> DynamoDBClient:
    """Return the DynamoDB client."""
    return cast("DynamoDBClient", _session().create_client("dynamodb", config=_CONFIG))


@cache
def kms() -> KMSClient:
    """Return the KMS client."""
    return cast("KMSClient", _session().create_client("kms", config=_CONFIG))


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()
