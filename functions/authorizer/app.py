"""Lambda authorizer: allows API tokens that this gateway issued and whose session has not ended.

It reads one row with one consistent read and imports as little as possible, because every request to a studio API may
wait for this function to start.
"""

import os
import time
from typing import Any

from shotgrid_login import aws, log
from shotgrid_login.authorizer_events import (
    AuthorizerRequest,
    UnknownEvent,
    deny_unknown_event,
    is_too_long,
    require_short_responses,
)
from shotgrid_login.authorizer_rules import Rules
from shotgrid_login.bearers import Bearers
from shotgrid_login.table import Table

# API Gateway returns 401 if the function fails with exactly this text.
_UNAUTHORIZED = "Unauthorized"

logger = log.logger
try:
    rules = Rules.parse(os.environ["AUTHORIZER_RULES"], os.environ["AUTHORIZER_APIS"])
    require_short_responses(rules)
except Exception as error:
    log.record_unexpected(error)
    raise
bearers = Bearers(Table(aws.dynamodb(), os.environ["BEARERS_TABLE"]))


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Return whether a bearer can use this stage of this API, and whose bearer it is."""
    try:
        decision = _decide(event)
    except Exception as error:
        # For AWS/Lambda, a rejected token is an error of the function too. This metric counts failures only.
        log.record_unexpected(error)
        raise
    if decision is None:
        raise Exception(_UNAUTHORIZED)  # API Gateway reads only the text
    return decision


def _decide(event: Any) -> dict[str, Any] | None:
    """Return the decision; None for a token that API Gateway has to reject with 401."""
    try:
        request = AuthorizerRequest.from_event(event)
    except UnknownEvent:
        log.record_error("rejected", reason="not an authorizer event")
        return deny_unknown_event()
    logger.append_keys(api=request.api_id, kind=request.kind.value)
    bearer = bearers.find(request.bearer, int(time.time())) if request.bearer else None
    if bearer is None:
        logger.info("rejected", extra={"reason": "unknown or ended" if request.bearer else "missing or malformed"})
        return None if request.can_return_401 else request.deny("unknown")
    user = bearer.user
    unmet = rules.unmet(request.api_id, user.permission_group)
    for rule in request.misplaced(unmet):
        log.record_error("rejected", reason="a rule has the base path of the domain", rule=rule.path)
    if unmet:
        logger.info("restricted", extra={"to": [rule.path or "/" for rule in unmet]})
    context_for_api = {
        "user_id": str(user.id),
        "user_type": user.type,
        "login": user.login,
        "name": user.name,
        "email": user.email,
        "permission_group": user.permission_group,
        "session_id": bearer.session_id,
        "expires_at": str(bearer.expires_at),
    }
    principal = f"{user.type}:{user.id}"
    response = request.allow(principal, context_for_api, unmet)
    if is_too_long(response):
        log.record_error("rejected", reason="the response would be too long")
        return request.deny(principal)
    return response
