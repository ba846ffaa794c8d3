"""Builds the objects that the functions use, each at most once per function instance."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from shotgrid_login import aws
from shotgrid_login.bearers import Bearers
from shotgrid_login.configuration import Configuration, hash_key_arn
from shotgrid_login.hashes import Hashes
from shotgrid_login.sealing import Sealer
from shotgrid_login.sessions import Sessions
from shotgrid_login.table import Table

if TYPE_CHECKING:
    from shotgrid_login.browser_sign_in import BrowserSignIn
    from shotgrid_login.refresh import Refresh
    from shotgrid_login.sign_in import SignIn
    from shotgrid_login.site import Site


@cache
def configuration() -> Configuration:
    """Return the settings of the deployment."""
    return Configuration.from_environment()


@cache
def sessions(*, sealing: bool = False) -> Sessions:
    """Return the sessions. Without `sealing` no KMS client is created, and the tokens of sessions cannot be read."""
    settings = configuration()
    return Sessions(
        _state_table(),
        Bearers(Table(aws.dynamodb(), settings.bearers_table)),
        _sealer() if sealing else None,
        settings.session_seconds,
        settings.idle_seconds,
    )


# `site` imports urllib3 and reads the public roots, so it is imported only in the functions that call the site.


@cache
def sign_in() -> SignIn:
    """Return the password step and the code step."""
    from shotgrid_login.challenges import Challenges
    from shotgrid_login.failed_attempts import FailedAttempts
    from shotgrid_login.sign_in import SignIn

    hashes = _hashes()
    return SignIn(
        _site(),
        Challenges(_state_table(), _sealer(), hashes),
        sessions(sealing=True),
        FailedAttempts(_state_table(), hashes),
        hashes,
    )


@cache
def refresh() -> Refresh:
    """Return the refresh of sessions."""
    from shotgrid_login.places import Places
    from shotgrid_login.refresh import Refresh

    return Refresh(_site(), sessions(sealing=True), Places(_state_table()))


@cache
def browser_sign_in() -> BrowserSignIn:
    """Return the browser sign-in."""
    from shotgrid_login.app_session_launcher import AppSessionLauncher
    from shotgrid_login.approvals import Approvals
    from shotgrid_login.browser_sign_in import BrowserSignIn
    from shotgrid_login.failed_attempts import FailedAttempts
    from shotgrid_login.places import Places

    site, hashes = _site(), _hashes()
    return BrowserSignIn(
        site,
        AppSessionLauncher(site.connection),
        Approvals(_state_table(), _sealer()),
        sessions(sealing=True),
        FailedAttempts(_state_table(), hashes),
        hashes,
        Places(_state_table()),
        offers_it=configuration().offers_browser_sign_in,
    )


def _site() -> Site:
    from shotgrid_login.site import Site

    return Site(configuration().site_url)


def _state_table() -> Table:
    return Table(aws.dynamodb(), configuration().state_table)


def _hashes() -> Hashes:
    return Hashes(aws.kms(), hash_key_arn())


def _sealer() -> Sealer:
    return Sealer(aws.kms(), configuration().key_arn)
