"""POST /auth/otp: the code step, with the challenge of the password step and a code."""

from shotgrid_login import gateway, http, transport

# Longest values in characters. A challenge contains user name and password (`challenges.LONGEST_CREDENTIAL`), sealed.
CHALLENGE_AND_CODE = {"challenge": 7000, "code": 64}

configuration = gateway.configuration()
sign_in = gateway.sign_in()
sessions = gateway.sessions()


@http.endpoint("POST", configuration.allowed_origins, warm_up=sign_in.warm_up)
def handler(request: http.Request) -> http.Response:
    """Accept `challenge`, `code`, and optionally `transport` and the `refresh_token` of the session to replace."""
    fields = request.fields(required=CHALLENGE_AND_CODE, optional=transport.SIGN_IN_FIELDS)
    chosen = transport.choose(request, fields)
    result = sign_in.with_code(fields["challenge"], fields["code"], request.source_address)
    transport.end_replaced(request, fields, chosen, sessions, result)
    return transport.signed_in(result, chosen, configuration.site_url)
