"""POST /auth/refresh: return the current access token, or a new one if it is about to expire."""

from shotgrid_login import gateway, http, transport

# A token that the site has rejected before it expired. The longest value in characters.
REJECTED_TOKEN = {"refused_access_token": 7000}

configuration = gateway.configuration()
refresh = gateway.refresh()


@http.endpoint("POST", configuration.allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Accept the session cookie, or `refresh_token`. The response uses the same transport.

    `refused_access_token` is for a page whose token the site rejected with 401 before it expired.
    """
    fields = request.fields(required={}, optional=transport.HANDLE_FIELD | REJECTED_TOKEN)
    found = transport.find_handle(request, fields)
    if found is None:
        # Pages send this request when they load, before a user has signed in. It is not an error: a 4xx response would
        # be an error message in the console of every visitor's browser.
        return http.Response(200, "signed_out", {"status": "signed_out"})
    handle, used_transport = found
    result = refresh.refresh(handle, fields.get("refused_access_token"))
    return transport.signed_in(result, used_transport, configuration.site_url, held=handle)
