"""Sealing: values that leave a function's memory only as KMS ciphertext.

The KMS encryption context binds each sealed value to its purpose, and is authenticated with it. A ciphertext that is
moved to another row, or used for another purpose, cannot be opened.

KMS encrypts at most `PART_BYTES` in one call. A larger value is sealed in several parts. The encryption context of each
part also has a random id of the value, the number of the part, and the number of parts. So no part can be left out,
moved, or replaced by a part of another value.
"""

from __future__ import annotations

import base64
import json
import secrets
import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from shotgrid_login import base64url
from shotgrid_login.aws import error_code

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

# The largest plaintext of one Encrypt call (AWS KMS API reference). The site's tokens together have about 1.1 KB.
PART_BYTES = 4096

# The largest value. A response of the site is not larger (`site_connection.MAX_RESPONSE_BYTES`), so tokens fit.
MAX_BYTES = 64 * 1024

# Starts a value of several parts. Ciphertexts of KMS start with another byte: 1 on AWS.
_PARTS_MARK = b"parts"
_ID_BYTES = 16
_LENGTH = struct.Struct(">I")  # before each part

# KMS errors for: another key, another encryption context, or an altered ciphertext.
_NOT_OURS = {"InvalidCiphertextException", "IncorrectKeyException"}


class TooLargeToSeal(Exception):
    """The value is larger than `MAX_BYTES`. Nothing was cut off and nothing was stored."""


class SealBroken(Exception):
    """The ciphertext was not sealed with this key for this context, or was altered."""


class Sealer:
    """Seals JSON objects with one KMS key. Each operation is one KMS call for each `PART_BYTES` of the value."""

    def __init__(self, kms: KMSClient, key_arn: str) -> None:
        self._kms = kms
        self._key_arn = key_arn

    def seal(self, values: Mapping[str, str | int], context: Mapping[str, str]) -> bytes:
        """Return the ciphertext, about 150 bytes longer than the values as JSON; raises `TooLargeToSeal`."""
        plaintext = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
        if len(plaintext) > MAX_BYTES:
            raise TooLargeToSeal(f"{len(plaintext)} bytes, the limit is {MAX_BYTES}")
        if len(plaintext) <= PART_BYTES:
            return self._encrypt(plaintext, context)
        value_id = secrets.token_bytes(_ID_BYTES)
        parts = [plaintext[start : start + PART_BYTES] for start in range(0, len(plaintext), PART_BYTES)]
        sealed = _PARTS_MARK + value_id
        for part, part_context in zip(parts, _part_contexts(context, value_id, len(parts)), strict=True):
            ciphertext = self._encrypt(part, part_context)
            sealed += _LENGTH.pack(len(ciphertext)) + ciphertext
        return sealed

    def open(self, ciphertext: bytes, context: Mapping[str, str]) -> dict[str, str | int]:
        """Return the values that were sealed for this context; raises `SealBroken`."""
        if ciphertext.startswith(_PARTS_MARK):
            value_id, parts = _split(ciphertext)
            contexts = _part_contexts(context, value_id, len(parts))
            plaintext = b"".join(map(self._decrypt, parts, contexts))
        else:
            plaintext = self._decrypt(ciphertext, context)
        try:
            values: dict[str, str | int] = json.loads(plaintext)
        except ValueError:
            raise SealBroken from None
        return values

    def seal_as_text(self, values: Mapping[str, str | int], context: Mapping[str, str]) -> str:
        """Return the ciphertext as URL-safe text, for a page to keep; raises `TooLargeToSeal`."""
        return base64url.encode(self.seal(values, context))

    def open_text(self, text: str, context: Mapping[str, str]) -> dict[str, str | int]:
        """Return the values that `seal_as_text` sealed for this context; raises `SealBroken`."""
        try:
            ciphertext = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise SealBroken from None
        return self.open(ciphertext, context)

    def _encrypt(self, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        sealed = self._kms.encrypt(KeyId=self._key_arn, Plaintext=plaintext, EncryptionContext=context)
        return sealed["CiphertextBlob"]

    def _decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> bytes:
        try:
            opened = self._kms.decrypt(KeyId=self._key_arn, CiphertextBlob=ciphertext, EncryptionContext=context)
        except Exception as error:
            if error_code(error) in _NOT_OURS:
                raise SealBroken from None
            raise
        return opened["Plaintext"]


def _part_contexts(context: Mapping[str, str], value_id: bytes, parts: int) -> Iterator[dict[str, str]]:
    """Return the encryption context of each part."""
    for number in range(1, parts + 1):
        yield {**context, "value": value_id.hex(), "part": str(number), "parts": str(parts)}


def _split(sealed: bytes) -> tuple[bytes, list[bytes]]:
    """Return the id and the parts of a value of several parts; raises `SealBroken`."""
    position = len(_PARTS_MARK) + _ID_BYTES
    value_id, parts = sealed[len(_PARTS_MARK) : position], list[bytes]()
    while position < len(sealed):
        start = position + _LENGTH.size
        if start > len(sealed):
            raise SealBroken
        position = start + _LENGTH.unpack(sealed[start - _LENGTH.size : start])[0]
        parts.append(sealed[start:position])
    if position != len(sealed) or not all(parts):
        raise SealBroken
    return value_id, parts
