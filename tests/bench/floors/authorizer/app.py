"""The floor of the authorizer: one client, a logger, and an empty response."""

from typing import Any

import boto3
from aws_lambda_powertools import Logger

logger = Logger(service="floor")
dynamodb = boto3.client("dynamodb")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return an empty response."""
    return {}
