"""POST /auth/password: the password step. 200: signed in; 202: the site requires a code."""

from shotgrid_login import gateway, http, transport
from shotgrid_login.challenges import LONGEST_CREDENTIAL, Challenge

CREDENTIALS = {"username": LONGEST_CREDENTIAL, "password": LONGEST_CREDENTIAL}

configuration = gateway.configuration()
sign_in = gateway.sign_in()
sessions = gateway.sessions()


@http.endpoint("POST", configuration.allowed_origins, warm_up=sign_in.warm_up)
def handler(request: http.Request) -> http.Response:
    """Accept `username`, `password`, and optionally `transport` and the `refresh_token` of the session to replace."""
    fields = request.fields(required=CREDENTIALS, optional=transport.SIGN_IN_FIELDS)
    chosen = transport.choose(request, fields)
    result = sign_in.with_password(fields["username"], fields["password"], request.source_address)
    if isinstance(result, Challenge):
        body = {"status": "otp_required", "challenge": result.text, "expires_in": result.expires_in}
        return http.Response(202, "otp_required", body)
    transport.end_replaced(request, fields, chosen, sessions, result)
    return transport.signed_in(result, chosen, configuration.site_url)
