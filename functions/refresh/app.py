"""POST /auth/refresh: the access token again, or a new one when it is about to expire."""

from shotgrid_login import gateway, http
from shotgrid_login.errors import SessionEnded

refresh = gateway.refresh()


@http.endpoint("POST", gateway.configuration().allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Take the session cookie, or `refresh_token`; the answer uses the same transport."""
    carried = request.handle()
    if carried is None:
        raise SessionEnded
    handle, transport = carried
    result = refresh.refresh(handle)
    http.log_user(result.session.user.login)
    return http.signed_in(result, transport)
