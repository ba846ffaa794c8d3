"""Lambda authorizer: lets in the access tokens that this gateway handed out and whose session has not ended.

One consistent read of one table, and nothing imported beyond that: every request of a studio's API may wait
for this function's start.
"""

import os
import time
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from shotgrid_login import bearers
from shotgrid_login.authorizer_events import Question, UnknownEvent, deny_unknown
from shotgrid_login.authorizer_rules import Rules

# API Gateway recognizes this text, and no other, as its answer 401.
_UNAUTHORIZED = "Unauthorized"

logger = Logger(service="shotgrid-login")
table_name = os.environ["BEARERS_TABLE"]
rules = Rules.parse(os.environ["AUTHORIZER_RULES"], os.environ["AUTHORIZER_APIS"])
dynamodb = boto3.client(
    "dynamodb",
    # A read takes milliseconds; a slow one is better asked again. Seconds.
    config=Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3}),
)


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer whether a bearer may use the stage of an API, and who has it."""
    try:
        question = Question.of(event)
    except UnknownEvent:
        logger.error("refused", extra={"reason": "not an event of an authorizer"})
        return deny_unknown()
    logger.append_keys(api=question.api_id, kind=question.kind.value)
    bearer = bearers.find(dynamodb, table_name, question.bearer, int(time.time())) if question.bearer else None
    if bearer is None:
        logger.info("refused", extra={"reason": "unknown or ended" if question.bearer else "missing or malformed"})
        if question.answers_401:
            raise Exception(_UNAUTHORIZED)  # API Gateway looks at the text alone
        return question.deny("unknown")
    unmet = rules.unmet(question.api_id, bearer.permission_group)
    if unmet:
        logger.info("restricted", extra={"to": [rule.path or "/" for rule in unmet]})
    return question.allow(
        f"{bearer.user_type}:{bearer.user_id}",
        {
            "user_id": bearer.user_id,
            "user_type": bearer.user_type,
            "login": bearer.login,
            "name": bearer.name,
            "email": bearer.email,
            "permission_group": bearer.permission_group,
            "session_id": bearer.session_id,
            "expires_at": str(bearer.expires_at),
        },
        unmet,
    )
