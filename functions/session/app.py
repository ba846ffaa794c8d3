"""GET /auth/session: who am I, until when. The authorizer has known the bearer; the session's row says the rest."""

import time

from shotgrid_login import gateway, http

sessions = gateway.sessions()


@http.endpoint("GET", gateway.configuration().allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Take what the authorizer knows of the bearer."""
    session = sessions.find(str(request.authorizer["session_id"]), int(time.time()))
    http.log_user(session.user.login)
    return http.Response(
        200,
        "session",
        {
            "user": {"type": session.user.type, "id": session.user.id, "login": session.user.login},
            "session": http.session_times(session.expires_at, session.idle_expires_at),
        },
    )
