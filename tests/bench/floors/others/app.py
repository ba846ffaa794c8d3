"""The floor of the functions that call the site: two clients, `requests`, a logger, and an empty response."""

from typing import Any

import boto3
import requests  # noqa: F401 - only its import counts
from aws_lambda_powertools import Logger

logger = Logger(service="floor")
dynamodb = boto3.client("dynamodb")
kms = boto3.client("kms")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return an empty response."""
    return {}
