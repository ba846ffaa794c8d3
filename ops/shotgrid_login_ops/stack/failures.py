"""The errors of AWS, each as one line that names what to change."""

from __future__ import annotations

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

# SNS returns AuthorizationError.
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
_INVALID_CREDENTIALS = {
    *(
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
    ),
    *("MissingAuthenticationToken", "SignatureDoesNotMatch", "UnrecognizedClientException"),
}
_NO_CREDENTIALS = (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.ProfileNotFound)
_NO_REGION = (exceptions.NoRegionError, exceptions.InvalidRegionError)
_NOT_REACHED = (exceptions.ConnectionError, exceptions.HTTPClientError)


def is_denied(error: ClientError) -> bool:
    """Whether the credentials do not permit the call."""
    return error.response.get("Error", {}).get("Code", "") in _DENIED


def explain(error: BotoCoreError | ClientError) -> str:
    """Return one line about an error. It contains no text of the error, which can repeat parts of a request."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        if is_denied(error):
            return (
                f"These AWS credentials do not permit {error.operation_name}. docs/operations.md lists the permissions."
            )
        if code in _INVALID_CREDENTIALS:
            return "AWS does not accept these credentials. They are invalid or have expired: sign in to AWS again."
        return f"AWS rejected {error.operation_name}: {code}."
    if isinstance(error, _NO_CREDENTIALS):
        return "There are no AWS credentials. Set them up as for the AWS CLI, for example with AWS_PROFILE."
    if isinstance(error, _NO_REGION):
        return "There is no such AWS region, or none is set. Name the region of the stack with --region."
    if isinstance(error, _NOT_REACHED):
        return "AWS cannot be reached. Check the network, and the name of the region."
    # For example an expired sign-in of AWS IAM Identity Center.
    return f"AWS cannot be called with these credentials: {type(error).__name__}. Sign in to AWS again."
