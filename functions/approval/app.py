"""POST /auth/approval: finish a browser sign-in. 200: signed in; 202: the user has not decided yet."""

from shotgrid_login import gateway, http, transport
from shotgrid_login.browser_sign_in import PAGE_INTERVAL, Pending

# The longest value in characters. An approval challenge has about 600.
CHALLENGE = {"challenge": 2000}

configuration = gateway.configuration()
sign_in = gateway.browser_sign_in()
sessions = gateway.sessions()


@http.endpoint("POST", configuration.allowed_origins, warm_up=sign_in.warm_up)
def handler(request: http.Request) -> http.Response:
    """Accept `challenge`, and optionally `transport` and the `refresh_token` of the session to replace.

    The transport must be the one of the start.
    """
    request.require_page()
    fields = request.fields(required=CHALLENGE, optional=transport.SIGN_IN_FIELDS)
    challenge = sign_in.open_challenge(fields["challenge"], request.browser_cookie or "")
    started = transport.Transport(challenge.transport)
    transport.check_unchanged(fields, started)
    result = sign_in.finish(challenge)
    if isinstance(result, Pending):
        body = {"status": "approval_pending", "interval": PAGE_INTERVAL, "expires_in": result.expires_in}
        return http.Response(202, "approval_pending", body)
    transport.end_replaced(request, fields, started, sessions, result)
    return transport.signed_in(result, started, configuration.site_url)
