"""Sealing: values that leave a function's memory only as KMS ciphertext.

The KMS encryption context binds each sealed value to its purpose, and is authenticated with it. A ciphertext that is
moved to another row, or used for another purpose, cannot be opened.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

# The largest plaintext of one Encrypt call (AWS KMS API reference). The site's tokens together have about 1.1 KB.
MAX_BYTES = 4096

# KMS errors for: another key, another encryption context, or an altered ciphertext.
_NOT_OURS = {"InvalidCiphertextException", "IncorrectKeyException"}


class TooLargeToSeal(Exception):
    """The value is larger than `MAX_BYTES`. Nothing was cut off and nothing was stored."""


class SealBroken(Exception):
    """The ciphertext was not sealed with this key for this context, or was altered."""


class Sealer:
    """Seals small JSON objects with one KMS key. Each operation is one KMS call."""

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
        """Return the values that were sealed for this context; raises `SealBroken`."""
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

    def seal_as_text(self, values: Mapping[str, str | int], context: Mapping[str, str]) -> str:
        """Return the ciphertext as URL-safe text, for a page to keep; raises `TooLargeToSeal`."""
        return base64.urlsafe_b64encode(self.seal(values, context)).decode().rstrip("=")

    def open_text(self, text: str, context: Mapping[str, str]) -> dict[str, str | int]:
        """Return the values that `seal_as_text` sealed for this context; raises `SealBroken`."""
        try:
            ciphertext = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise SealBroken from None
        return self.open(ciphertext, context)
