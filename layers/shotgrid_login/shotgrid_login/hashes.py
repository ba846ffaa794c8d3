"""Short hashes of user names and networks: they name a user or a network in row keys and logs.

A plain hash of a name can be found by hashing a list of names, and users sometimes type their password as the name. So
the hashes are keyed with a secret of the stack: the result of one HMAC by a KMS key, which never leaves KMS.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import unicodedata
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

# What the KMS key authenticates. Another message would give another secret, and so other hashes.
SECRET_MESSAGE = b"shotgrid-login: hashes of user names and networks"

# 64 bits: no two users of a studio have the same hash, and a row key stays short. Hexadecimal digits.
LENGTH = 16


class Hashes:
    """Hashes with the secret of one stack. The first hash of a function instance costs one KMS call."""

    def __init__(self, kms: KMSClient, key_arn: str) -> None:
        """Take the ARN of a KMS key for HMAC-SHA256."""
        self._kms = kms
        self._key_arn = key_arn

    def user(self, login: str) -> str:
        """Return the hash of a user name: the same for every spelling of `canonical_name`."""
        return self._hash("user", canonical_name(login))

    def record(self, entity_type: str, entity_id: int) -> str:
        """Return the hash of a user's record at the site, which stays the same if the login changes."""
        return self._hash("record", f"{entity_type}:{entity_id}")

    def network(self, source_address: str) -> str:
        """Hash an IPv4 address, or the /64 of an IPv6 address: its holder controls all addresses in it (RFC 6177)."""
        try:
            address = ipaddress.ip_address(source_address)
        except ValueError:
            network = source_address  # API Gateway's test console sends "test-invoke-source-ip"
        else:
            network = str(ipaddress.ip_network((address, 64 if address.version == 6 else 32), strict=False))
        return self._hash("network", network)

    def digest(self, kind: str, value: str) -> bytes:
        """Return the keyed hash of a value, 32 bytes. The hashes of two kinds have nothing in common."""
        return hmac.digest(self._secret, f"{kind}:{value}".encode(errors="surrogatepass"), hashlib.sha256)

    def _hash(self, kind: str, value: str) -> str:
        return self.digest(kind, value).hex()[:LENGTH]

    @cached_property
    def _secret(self) -> bytes:
        return self._kms.generate_mac(KeyId=self._key_arn, Message=SECRET_MESSAGE, MacAlgorithm="HMAC_SHA_256")["Mac"]


def canonical_name(name: str) -> str:
    """Return the one spelling that stands for all spellings of a user name: NFKC, folded case, no white space.

    Sites ignore such differences, at least some of them. So all spellings count as one user.
    """
    # Upper case first: the dotless i (U+0131) has the upper case of "i", and sites can compare in either case.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).upper().casefold())
    # Without the white space, a combining character can follow another letter. So the text is normalized once more.
    return unicodedata.normalize("NFKC", "".join(folded.split()))
