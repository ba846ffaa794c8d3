"""POST /api/v1/auth/access_token: a copy of the site's token endpoint, for pages that change only the URL.

Sites have it under `/api/v1.1` too, and so has the gateway.
"""

from shotgrid_login import gateway, http, log, token_endpoint
from shotgrid_login.sessions import Handle

configuration = gateway.configuration()
sign_in = gateway.sign_in()
refresh = gateway.refresh()


@http.endpoint("POST", configuration.allowed_origins, token_endpoint.error_response)
def handler(request: http.Request) -> http.Response:
    """Accept a form with the `grant_type` `password` (with `auth_token` for the code) or `refresh_token`."""
    grant = token_endpoint.parse_grant(request.form(token_endpoint.FIELDS), configuration.site_url)
    if isinstance(grant, token_endpoint.RefreshGrant):
        result = refresh.refresh(Handle.parse(grant.refresh_token))
    else:
        result = sign_in.in_one_step(
            grant.username, grant.password, grant.auth_token, request.source_address, grant.session_uuid
        )
    log.log_user(result.session.user_hash)
    return token_endpoint.success(result)
