"""POST /auth/logout: end the session. 204 also when nothing was there."""

import time

from shotgrid_login import gateway, http
from shotgrid_login.errors import SessionEnded

sessions = gateway.sessions()


@http.endpoint("POST", gateway.configuration().allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Take the session cookie, or `refresh_token`."""
    fields = request.fields(optional=("refresh_token",))
    try:
        carried = request.handle(fields)
    except SessionEnded:
        carried = None  # not the shape of a handle: nothing to end
    if carried is not None:
        sessions.sign_out(carried[0], int(time.time()))
    return http.Response(204, "signed_out", headers=http.clear_cookie() if request.used_cookie else {})
