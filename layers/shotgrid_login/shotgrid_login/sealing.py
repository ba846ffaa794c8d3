"""Sealing: what may leave the function's memory only as KMS ciphertext.

Every sealed value is bound to what it is for by a KMS encryption context, which is authenticated with it:
a ciphertext that is moved to another row, or offered in another role, does not open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

# Most that KMS encrypts at once (AWS KMS API reference, Encrypt). The site's tokens together are about 1.1 KB.
MAX_BYTES = 4096

# KMS's ways to say: not by this key, not with this context, or not whole.
_NOT_OURS = {"InvalidCiphertextException", "IncorrectKeyException"}


class TooLargeToSeal(Exception):
    """The value is larger than `MAX_BYTES`. Nothing was cut and nothing was stored."""


class SealBroken(Exception):
    """Not sealed by this key for this context, or altered since."""


class Sealer:
    """Seals small JSON objects of strings with one KMS key. One KMS call an operation."""

    def __init__(self, kms: KMSClient, key_arn: str) -> None:
        self._kms = kms
        self._key_arn = key_arn

    def seal(self, values: Mapping[str, str | int], context: Mapping[str, str]) -> bytes:
        """Return the ciphertext, about 150 bytes longer than the values as JSON; raises `TooLargeToSeal`."""
        plaintext = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
        if len(plaintext) > MAX_BYTES:
            raise TooLargeToSeal(f"{len(plaintext)} bytes, KMS takes {MAX_BYTES}")
        sealed = self._kms.encrypt(KeyId=self._key_arn, Plaintext=plaintext, EncryptionContext=context)
        return sealed["CiphertextBlob"]

    def open(self, ciphertext: bytes, context: Mapping[str, str]) -> dict[str, str | int]:
        """Return what was sealed for this context; raises `SealBroken`."""
        try:
            opened = self._kms.decrypt(KeyId=self._key_arn, CiphertextBlob=ciphertext, EncryptionContext=context)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NOT_OURS:
                raise SealBroken from None
            raise
        try:
            values: dict[str, str | int] = json.loads(opened["Plaintext"])
        except ValueError:
            raise SealBroken from None
        return values
