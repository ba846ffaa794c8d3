"""POST /auth/otp: the second step, with the challenge of the first and a code."""

from shotgrid_login import gateway, http

configuration = gateway.configuration()
sign_in = gateway.sign_in()


@http.endpoint("POST", configuration.allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Take `challenge`, `code` and optionally `transport`."""
    fields = request.fields(required=("challenge", "code"), optional=("transport",))
    transport = request.transport(fields.get("transport"))
    challenge = sign_in.open_challenge(fields["challenge"])
    http.log_user(challenge.username)
    return http.signed_in(
        sign_in.with_code(challenge, fields["code"], request.source_address), transport, configuration.site_url
    )
