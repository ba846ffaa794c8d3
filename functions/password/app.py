"""POST /auth/password: the first step. 200 signed in, 202 when the site wants a code."""

from shotgrid_login import gateway, http
from shotgrid_login.challenges import LIFETIME

configuration = gateway.configuration()
sign_in = gateway.sign_in()


@http.endpoint("POST", configuration.allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Take `username`, `password` and optionally `transport`."""
    fields = request.fields(required=("username", "password"), optional=("transport",))
    transport = request.transport(fields.get("transport"))
    http.log_user(fields["username"])
    result = sign_in.with_password(fields["username"], fields["password"], request.source_address)
    if isinstance(result, str):
        body = {"status": "otp_required", "challenge": result, "expires_in": LIFETIME}
        return http.Response(202, "otp_required", body)
    return http.signed_in(result, transport, configuration.site_url)
