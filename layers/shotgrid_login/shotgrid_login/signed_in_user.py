"""Who has signed in: the claims of the new access token, and the user's record at the site."""

from __future__ import annotations

from shotgrid_login import claims, log
from shotgrid_login.errors import SiteError, SiteUnavailable
from shotgrid_login.site import Site
from shotgrid_login.users import User, usable_text


def read(site: Site, access_token: str, login: str) -> User:
    """Return the user of an access token that the site has just sent.

    The sign-in goes on if the site does not return the user's record: then the user has only the id and `login`. Raises
    `SiteError` if the token names no user.
    """
    identity = claims.user(access_token)
    if identity is None:
        raise SiteError("access token names no user")
    try:
        return site.user(*identity, access_token)
    except (SiteError, SiteUnavailable) as error:
        log.logger.warning("user_unknown", extra={"reason": error.reason})
        return User(*identity, usable_text(login))


def read_again(site: Site, access_token: str, user: User) -> User | None:
    """Return the current record of a user; None if that fails, and then the known record stays.

    It raises nothing: the caller has just received tokens that are not stored yet.
    """
    try:
        return site.user(user.type, user.id, access_token)
    except (SiteError, SiteUnavailable) as error:
        log.logger.warning("user_unknown", extra={"reason": error.reason})
    except Exception as error:  # noqa: BLE001
        log.record_unexpected(error)
    return None
