"""POST /auth/logout: end the session. 204 even if there was no session."""

import time

from shotgrid_login import cookie, gateway, http, transport
from shotgrid_login.errors import SessionEnded

sessions = gateway.sessions()


@http.endpoint("POST", gateway.configuration().allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Accept the session cookie, or `refresh_token`."""
    fields = request.fields(required={}, optional=transport.HANDLE_FIELD)
    try:
        found = transport.find_handle(request, fields)
    except SessionEnded:
        found = None  # the text is not a handle, so there is no session to end
    if found is not None:
        sessions.sign_out(found[0], int(time.time()))
    return http.Response(204, "signed_out", headers=cookie.clear_session_header() if request.used_cookie else {})
