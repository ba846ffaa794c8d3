"""POST /api/v1/auth/access_token: the site's own token endpoint, for pages that move here by changing one URL."""

from shotgrid_login import gateway, http, token_endpoint
from shotgrid_login.sessions import Handle

configuration = gateway.configuration()
sign_in = gateway.sign_in()
refresh = gateway.refresh()


@http.endpoint("POST", configuration.allowed_origins, token_endpoint.refusal)
def handler(request: http.Request) -> http.Response:
    """Take a form with `grant_type`: `password`, with `auth_token` when the site asks for it, or `refresh_token`."""
    grant = token_endpoint.grant(request.form(token_endpoint.FIELDS), configuration.site_url)
    if isinstance(grant, token_endpoint.RefreshGrant):
        result = refresh.refresh(Handle.parse(grant.refresh_token))
    else:
        http.log_user(grant.username)
        result = sign_in.at_once(grant.username, grant.password, grant.auth_token, request.source_address)
    http.log_user(result.session.user.login)
    return token_endpoint.success(result)
