"""GET /auth/methods: how users of the site can sign in."""

from shotgrid_login import http
from shotgrid_login.cached_methods import KNOWN_SECONDS, UNKNOWN_SECONDS, CachedMethods
from shotgrid_login.configuration import Configuration
from shotgrid_login.site import Site

configuration = Configuration.from_environment()
methods = CachedMethods(
    Site(configuration.site_url).sign_in_methods, offers_browser=configuration.offers_browser_sign_in
)


@http.endpoint("GET", configuration.allowed_origins)
def handler(request: http.Request) -> http.Response:
    """Return the methods. If the site does not respond, they are unknown, and the status is 200 all the same."""
    found = methods.get()
    body = {
        "site_url": configuration.site_url,
        "site_host": configuration.site_host,
        "method": found.method,
        "password": found.password.value,
        "browser": found.browser.value,
    }
    max_age = UNKNOWN_SECONDS if found.is_unknown else KNOWN_SECONDS
    return http.Response(200, "methods", body, {"cache-control": f"public, max-age={max_age}"})
