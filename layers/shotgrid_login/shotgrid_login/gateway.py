"""The pieces put together, each at most once a function's life."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from shotgrid_login.configuration import Configuration
from shotgrid_login.sealing import Sealer
from shotgrid_login.sessions import Sessions
from shotgrid_login.table import Table

if TYPE_CHECKING:
    from shotgrid_login.refresh import Refresh
    from shotgrid_login.sign_in import SignIn
    from shotgrid_login.site import Site

# DynamoDB and KMS answer in milliseconds. Waiting longer for one would outlast the caller's patience and, in
# `refresh`, the lease: fail and try again instead. Seconds.
_AWS = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})


@cache
def configuration() -> Configuration:
    """Return the deployment's settings."""
    return Configuration.from_environment()


@cache
def sessions(*, sealing: bool = False) -> Sessions:
    """Return the sessions. Without sealing no KMS client is made, and none of their tokens can be read."""
    settings = configuration()
    return Sessions(
        _state_table(),
        Table(_client("dynamodb"), settings.bearers_table),
        _sealer() if sealing else None,
        settings.session_seconds,
        settings.idle_seconds,
    )


# The site's module brings `requests`, so only functions that ask the site import it.


@cache
def sign_in() -> SignIn:
    """Return the password step and the code step."""
    from shotgrid_login.challenges import Challenges
    from shotgrid_login.failed_attempts import FailedAttempts
    from shotgrid_login.sign_in import SignIn

    return SignIn(
        _site(), Challenges(_state_table(), _sealer()), sessions(sealing=True), FailedAttempts(_state_table())
    )


@cache
def refresh() -> Refresh:
    """Return what refreshes sessions."""
    from shotgrid_login.refresh import Refresh

    return Refresh(_site(), sessions(sealing=True))


def _site() -> Site:
    from shotgrid_login.site import Site

    return Site(configuration().site_url)


def _state_table() -> Table:
    return Table(_client("dynamodb"), configuration().state_table)


def _sealer() -> Sealer:
    return Sealer(_client("kms"), configuration().key_arn)


@cache
def _client(service: str) -> Any:
    return boto3.client(service, config=_AWS)  # type: ignore[call-overload]
