"""POST /auth/logout: end the session, or all sessions of its user. 204 even if there was no session."""

from shotgrid_login import cookie, gateway, http, transport
from shotgrid_login.errors import SessionEnded

# Ends the user's sessions in all browsers.
EVERYWHERE = frozenset({"everywhere"})

sessions = gateway.sessions()


@http.endpoint("POST", gateway.configuration().allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Accept the session cookie, or `refresh_token`, and optionally `"everywhere": true`."""
    fields = request.fields(required={}, optional=transport.HANDLE_FIELD, flags=EVERYWHERE)
    try:
        found = transport.find_handle(request, fields)
    except SessionEnded:
        found = None  # the text is not a handle, so there is no session to end
    if found is not None:
        sessions.sign_out(found[0], everywhere="everywhere" in fields)
    return http.Response(204, "signed_out", headers=cookie.clear_session_header() if request.used_cookie else {})
