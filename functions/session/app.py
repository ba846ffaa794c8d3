"""GET /auth/session: the signed-in user, and until when. The authorizer has accepted the bearer before this runs."""

import time

from shotgrid_login import gateway, http, log, transport

sessions = gateway.sessions()


@http.endpoint("GET", gateway.configuration().allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Accept the authorizer's context, which names the session."""
    session = sessions.find(str(request.authorizer["session_id"]), int(time.time()))
    log.log_user(session.user_hash)
    times = transport.session_times(session.expires_at, session.idle_expires_at)
    return http.Response(200, "session", {"user": session.user.public, "session": times})
