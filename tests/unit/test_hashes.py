"""Hashes of user names and networks, with a key of local AWS."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shotgrid_login.hashes import LENGTH, Hashes, canonical_name
from tests.local.in_process import InProcessAws


class CountedKms:
    """A KMS client that counts its calls."""

    def __init__(self, kms: Any) -> None:
        self._kms = kms
        self.calls = 0

    def generate_mac(self, **request: Any) -> Any:
        self.calls += 1
        return self._kms.generate_mac(**request)


@pytest.fixture(scope="module")
def key_arn(in_process_aws: InProcessAws) -> str:
    return new_key(in_process_aws)


def new_key(in_process_aws: InProcessAws) -> str:
    key = in_process_aws.client("kms").create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    return str(key["KeyMetadata"]["Arn"])


def test_hash_is_short_and_is_not_the_plain_hash_of_the_name(in_process_aws: InProcessAws, key_arn: str) -> None:
    hashed = Hashes(in_process_aws.client("kms"), key_arn).user("a_login")
    assert len(hashed) == LENGTH
    assert not hashlib.sha256(b"a_login").hexdigest().startswith(hashed)


def test_function_instances_of_one_stack_agree_and_stacks_differ(in_process_aws: InProcessAws, key_arn: str) -> None:
    hashes = [Hashes(in_process_aws.client("kms"), arn) for arn in (key_arn, key_arn, new_key(in_process_aws))]
    first, again, other = ((each.user("a_login"), each.network("192.0.2.1")) for each in hashes)
    assert first == again
    assert not set(first) & set(other)


def test_function_instance_calls_kms_once_and_not_before_its_first_hash(
    in_process_aws: InProcessAws, key_arn: str
) -> None:
    kms: Any = CountedKms(in_process_aws.client("kms"))
    hashes = Hashes(kms, key_arn)
    assert kms.calls == 0
    for number in range(5):
        hashes.user(f"artist_{number}")
        hashes.network(f"192.0.2.{number}")
    assert kms.calls == 1


def test_user_and_network_of_the_same_text_differ(in_process_aws: InProcessAws, key_arn: str) -> None:
    hashes = Hashes(in_process_aws.client("kms"), key_arn)
    assert hashes.user("192.0.2.1/32") != hashes.network("192.0.2.1")


def test_addresses_of_one_ipv6_network_have_one_hash(in_process_aws: InProcessAws, key_arn: str) -> None:
    network = Hashes(in_process_aws.client("kms"), key_arn).network
    assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("192.0.2.1") != network("192.0.2.2")
    assert network("test-invoke-source-ip") != network("192.0.2.1")


@pytest.mark.parametrize(
    "spelling",
    [
        "anna müller",
        "ANNA MÜLLER",
        " anna\tmüller\n",
        "anna  müller",
        "anna\u00a0müller\u3000",  # NO-BREAK SPACE, IDEOGRAPHIC SPACE
        "annamu\u0308ller",  # COMBINING DIAERESIS
        "\uff21\uff4e\uff4e\uff41 m\u00fcller",  # full width
        "annamüller",
    ],
)
def test_spellings_of_a_name_have_one_canonical_name(spelling: str) -> None:
    assert canonical_name(spelling) == "annamüller"


@pytest.mark.parametrize(
    ("one", "other"), [("straße", "STRASSE"), ("dılek", "DILEK"), ("ﬁsher", "fisher"), ("①", "1"), ("ǅ", "dž")]
)
def test_compatible_letters_count_as_the_same(one: str, other: str) -> None:
    assert canonical_name(one) == canonical_name(other)


def test_different_names_stay_different() -> None:
    assert len({canonical_name(name) for name in ("anna", "ana", "anna.b", "anna-b", "anna_b", "ännä")}) == 6


@given(st.text())
def test_canonical_name_is_its_own_canonical_name(name: str) -> None:
    canonical = canonical_name(name)
    assert canonical_name(canonical) == canonical
    assert canonical_name(unicodedata.normalize("NFKC", name)) == canonical
    assert not any(character.isspace() for character in canonical)
