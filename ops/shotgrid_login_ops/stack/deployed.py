"""A deployed stack, called with the operator's AWS credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shotgrid_login.bearers import Bearers
from shotgrid_login.hashes import Hashes
from shotgrid_login.sessions import Sessions
from shotgrid_login.table import Table
from shotgrid_login_ops.errors import AwsFailed
from shotgrid_login_ops.stack.failures import explain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard"})  # seconds


@dataclass(frozen=True)
class DeployedStack:
    """A stack, and clients in its region.

    Attributes:
        outputs: the outputs of the template, by name.
        now: the time when the outputs were read, in epoch seconds. It is the time at AWS, as in the rows of sessions:
            the clock of this machine can be wrong.
    """

    name: str
    region: str
    outputs: Mapping[str, str]
    now: int
    _dynamodb: DynamoDBClient
    _kms: KMSClient

    @property
    def sessions(self) -> Sessions:
        """The sessions, without a key: they can be read and ended, but not opened. Raises `AwsFailed`."""
        state, bearers = (Table(self._dynamodb, self._output(name)) for name in ("StateTable", "BearersTable"))
        return Sessions(state, Bearers(bearers), sealer=None, session_seconds=0, idle_seconds=0)

    @property
    def hashes(self) -> Hashes:
        """The hashes in the logs of this stack; raises `AwsFailed`."""
        return Hashes(self._kms, self._output("HashKeyArn"))

    def _output(self, name: str) -> str:
        if name not in self.outputs:
            raise AwsFailed(
                f"The stack {self.name} has no output {name}. Update the stack, or check --stack and --region."
            )
        return self.outputs[name]


@contextmanager
def deployed_stack(name: str, region: str | None) -> Iterator[DeployedStack]:
    """Find a stack. Raises `AwsFailed`, also for all errors of AWS while the stack is in use.

    Without a region, it is the one of the environment or of the AWS profile.
    """
    try:
        with ExitStack() as clients:
            session = boto3.Session(region_name=region)
            cloudformation = clients.enter_context(closing(session.client("cloudformation", config=CONFIG)))
            dynamodb = clients.enter_context(closing(session.client("dynamodb", config=CONFIG)))
            kms = clients.enter_context(closing(session.client("kms", config=CONFIG)))
            region = cloudformation.meta.region_name
            try:
                response = cloudformation.describe_stacks(StackName=name)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "ValidationError":
                    raise AwsFailed(f"There is no stack {name} in {region}. Check --stack and --region.") from None
                raise
            outputs = {
                output["OutputKey"]: output["OutputValue"] for output in response["Stacks"][0].get("Outputs", [])
            }
            now = parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])
            yield DeployedStack(name, region, outputs, int(now.timestamp()), dynamodb, kms)
    except (BotoCoreError, ClientError) as error:
        raise AwsFailed(explain(error)) from None
