"""Lambda authorizer: lets in the access tokens that this gateway handed out and whose session has not ended.

One consistent read of one table, and nothing imported beyond that: every request of a studio's API may wait
for this function's start.
"""

import os
import re
import time
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from shotgrid_login import bearers

# b64token of RFC 6750, section 2.1. The site's access tokens have about 415 characters.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]{1,4096}=*)", re.IGNORECASE)

# API Gateway recognizes this text, and no other, as its answer 401.
_UNAUTHORIZED = "Unauthorized"

logger = Logger(service="shotgrid-login")
table_name = os.environ["BEARERS_TABLE"]
dynamodb = boto3.client(
    "dynamodb",
    # A read takes milliseconds; a slow one is better asked again. Seconds.
    config=Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3}),
)


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a REST API's REQUEST event with a policy for the whole stage; unknown bearers are refused with 401."""
    token = _bearer_token(event)
    bearer = bearers.find(dynamodb, table_name, token, int(time.time())) if token else None
    if bearer is None:
        logger.info("refused", extra={"bearer": "unknown or ended" if token else "missing or malformed"})
        raise Exception(_UNAUTHORIZED)  # API Gateway looks at the text alone
    # Only the first five colons are the ARN's own: a path may have more.
    *arn, api_and_route = event["methodArn"].split(":", 5)
    api_id, stage, _ = api_and_route.split("/", 2)
    return {
        "principalId": f"{bearer.user_type}:{bearer.user_id}",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                # The whole stage: a cached answer must hold for every other route too.
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": [":".join([*arn, f"{api_id}/{stage}/*/*"])],
                }
            ],
        },
        "context": {
            "session_id": bearer.session_id,
            "user_type": bearer.user_type,
            "user_id": bearer.user_id,
            "login": bearer.login,
            "expires_at": str(bearer.expires_at),
        },
    }


def _bearer_token(event: dict[str, Any]) -> str | None:
    for name, value in (event.get("headers") or {}).items():
        if name.lower() == "authorization" and (match := _BEARER.fullmatch(str(value))):
            return match[1]
    return None
