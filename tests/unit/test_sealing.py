"""Sealing with a key of local AWS: values of one part, and of several parts."""

from __future__ import annotations

import json

import pytest

from shotgrid_login.sealing import MAX_BYTES, PART_BYTES, SealBroken, Sealer, TooLargeToSeal
from tests.local.in_process import InProcessAws

CONTEXT = {"purpose": "session", "session": "a"}
OVERHEAD = len('{"token":""}')
MARK, ID_BYTES, LENGTH_BYTES = b"parts", 16, 4


@pytest.fixture(scope="module")
def key_arn(in_process_aws: InProcessAws) -> str:
    return str(in_process_aws.client("kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture(scope="module")
def sealer(in_process_aws: InProcessAws, key_arn: str) -> Sealer:
    return Sealer(in_process_aws.client("kms"), key_arn)


def value(size: int) -> dict[str, str | int]:
    """Return a value of so many bytes as JSON."""
    return {"token": "".join(chr(ord("a") + number % 26) for number in range(size - OVERHEAD))}


def parts(sealed: bytes) -> list[bytes]:
    """Return the parts of a sealed value, each with its length."""
    assert sealed.startswith(MARK)
    found, rest = [], sealed[len(MARK) + ID_BYTES :]
    while rest:
        end = LENGTH_BYTES + int.from_bytes(rest[:LENGTH_BYTES])
        found.append(rest[:end])
        rest = rest[end:]
    return found


def head(sealed: bytes) -> bytes:
    return sealed[: len(MARK) + ID_BYTES]


@pytest.mark.parametrize(
    ("size", "number"), [(PART_BYTES + 1, 2), (2 * PART_BYTES, 2), (2 * PART_BYTES + 1, 3), (MAX_BYTES, 16)]
)
def test_large_value_is_sealed_in_parts(sealer: Sealer, size: int, number: int) -> None:
    sealed = sealer.seal(value(size), CONTEXT)
    assert len(parts(sealed)) == number
    assert sealer.open(sealed, CONTEXT) == value(size)


def test_value_that_a_character_spans_two_parts_is_opened(sealer: Sealer) -> None:
    values: dict[str, str | int] = {"token": "a" + "é" * 3000}
    assert sealer.open(sealer.seal(values, CONTEXT), CONTEXT) == values


def test_value_of_one_part_is_the_ciphertext_itself(in_process_aws: InProcessAws, key_arn: str, sealer: Sealer) -> None:
    kms = in_process_aws.client("kms")
    sealed = sealer.seal(value(PART_BYTES), CONTEXT)
    opened = kms.decrypt(KeyId=key_arn, CiphertextBlob=sealed, EncryptionContext=CONTEXT)["Plaintext"]
    assert json.loads(opened) == value(PART_BYTES)
    plaintext = b'{"access":"of the previous version"}'
    old = kms.encrypt(KeyId=key_arn, Plaintext=plaintext, EncryptionContext=CONTEXT)["CiphertextBlob"]
    assert sealer.open(old, CONTEXT) == {"access": "of the previous version"}


def test_larger_value_is_rejected(sealer: Sealer) -> None:
    with pytest.raises(TooLargeToSeal, match=str(MAX_BYTES)):
        sealer.seal(value(MAX_BYTES + 1), CONTEXT)


def test_value_does_not_open_in_another_context(sealer: Sealer) -> None:
    for size in (100, 2 * PART_BYTES):
        with pytest.raises(SealBroken):
            sealer.open(sealer.seal(value(size), CONTEXT), CONTEXT | {"session": "b"})


def test_parts_cannot_be_left_out_moved_or_replaced(sealer: Sealer) -> None:
    sealed, other = (sealer.seal(value(2 * PART_BYTES + 10), CONTEXT) for _ in range(2))
    start, (first, second, third) = head(sealed), parts(sealed)
    assert sealer.open(start + first + second + third, CONTEXT) == value(2 * PART_BYTES + 10)
    for altered in (
        start,
        start + first,
        start + first + second,
        start + second + first + third,
        start + first + second + third + third,
        start + first + parts(other)[1] + third,
        head(other) + first + second + third,
    ):
        with pytest.raises(SealBroken):
            sealer.open(altered, CONTEXT)


def test_encryption_context_of_a_part_has_the_value_the_number_and_the_number_of_all_parts(
    in_process_aws: InProcessAws, key_arn: str, sealer: Sealer
) -> None:
    sealed = sealer.seal(value(2 * PART_BYTES), CONTEXT)
    value_id = head(sealed)[len(MARK) :].hex()
    for number, part in enumerate(parts(sealed), 1):
        context = {**CONTEXT, "value": value_id, "part": str(number), "parts": "2"}
        in_process_aws.client("kms").decrypt(
            KeyId=key_arn, CiphertextBlob=part[LENGTH_BYTES:], EncryptionContext=context
        )


def test_part_is_not_a_value_of_its_own(sealer: Sealer) -> None:
    sealed = sealer.seal(value(PART_BYTES + 10), CONTEXT)
    for part in parts(sealed):
        with pytest.raises(SealBroken):
            sealer.open(part[LENGTH_BYTES:], CONTEXT)


def test_truncated_value_is_broken_and_costs_no_other_error(sealer: Sealer) -> None:
    sealed = sealer.seal(value(PART_BYTES + 10), CONTEXT)
    last = parts(sealed)[-1]
    cuts = [len(MARK), len(head(sealed)), len(head(sealed)) + 2, len(sealed) - len(last) + 2, len(sealed) - 1]
    for cut in cuts:
        with pytest.raises(SealBroken):
            sealer.open(sealed[:cut], CONTEXT)
    with pytest.raises(SealBroken):
        sealer.open(head(sealed) + bytes(LENGTH_BYTES), CONTEXT)  # an empty part


def test_large_value_is_opened_from_its_text(sealer: Sealer) -> None:
    text = sealer.seal_as_text(value(PART_BYTES + 1), CONTEXT)
    assert sealer.open_text(text, CONTEXT) == value(PART_BYTES + 1)
