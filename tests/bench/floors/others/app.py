"""The least that a function that asks the site could be: two clients, `requests`, a logger, and no response."""

from typing import Any

import boto3
import requests  # noqa: F401 - its import is what costs
from aws_lambda_powertools import Logger

logger = Logger(service="floor")
dynamodb = boto3.client("dynamodb")
kms = boto3.client("kms")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Response nothing."""
    return {}
