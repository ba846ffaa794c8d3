"""POST /auth/refresh: the access token again, or a new one when it is about to expire."""

from shotgrid_login import gateway, http

configuration = gateway.configuration()
refresh = gateway.refresh()


@http.endpoint("POST", configuration.allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Take the session cookie, or `refresh_token`; the answer uses the same transport.

    `refused_access_token` is for a page that the site answered with 401 before the token's time.
    """
    fields = request.fields(optional=("refresh_token", "refused_access_token"))
    carried = request.handle(fields)
    if carried is None:
        # What a page asks on load, before anybody has signed in: no refusal, and none in the browser's console.
        return http.Response(200, "signed_out", {"status": "signed_out"})
    handle, transport = carried
    result = refresh.refresh(handle, fields.get("refused_access_token"))
    return http.signed_in(result, transport, configuration.site_url)
