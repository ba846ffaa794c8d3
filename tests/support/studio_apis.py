"""A studio's own APIs beside the gateway: the example stacks, deployed as they stand, and called over HTTP."""

from __future__ import annotations

import re
import socket
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

from tests.local.stack import CERTIFICATE, ROOT, LocalAws
from tests.support.client import Response

KINDS = ("rest", "http")

# What the suite asks for by AuthorizerRules, of each of them.
EVERYWHERE = "Artist|Manager|Admin|Production Coordinator"
REPORTS = "Manager|Admin"


@dataclass(frozen=True)
class StudioApi:
    """One deployed API. `named` is what AuthorizerApis has of it."""

    aws: LocalAws
    kind: str
    named: str

    @property
    def id(self) -> str:
        return self.named.partition(":")[2]

    @property
    def host(self) -> str:
        """Where pages of this machine find it."""
        return host_of(self.kind, self.aws)

    @property
    def rules(self) -> str:
        """What AuthorizerRules has of it, without the semicolon at the end of all."""
        return f"{self.id}={EVERYWHERE},{self.id}/reports={REPORTS}"

    def get(self, path: str, access_token: str | None = None, **headers: str) -> Response:
        """Call as a page would, with a bearer if there is one."""
        sent = {"host": self.host} | headers
        if access_token is not None:
            sent["authorization"] = f"Bearer {access_token}"
        response = requests.get(f"{self.aws.endpoint}{path}", headers=sent, timeout=60)
        return Response(response.status_code, response.headers, response.text)

    def who(self, path: str, access_token: str) -> dict[str, Any]:
        """Return what the API was told of the user."""
        response = self.get(path, access_token)
        assert response.status == 200, response.text
        assert response.body["path"] == path
        told: dict[str, Any] = response.body["who"]
        return told

    def cache_for(self, seconds: int) -> None:
        """Change how long a response of the authorizer counts, as a new value of CacheSeconds would."""
        if self.kind == "rest":
            apigateway = self.aws.client("apigateway")
            (authorizer,) = apigateway.get_authorizers(restApiId=self.id)["items"]
            change = {"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": str(seconds)}
            apigateway.update_authorizer(restApiId=self.id, authorizerId=authorizer["id"], patchOperations=[change])
        else:
            apigateway = self.aws.client("apigatewayv2")
            for authorizer in apigateway.get_authorizers(ApiId=self.id)["Items"]:
                apigateway.update_authorizer(
                    ApiId=self.id, AuthorizerId=authorizer["AuthorizerId"], AuthorizerResultTtlInSeconds=seconds
                )


def host_of(kind: str, aws: LocalAws) -> str:
    """Return the host name and port of an API, known before it is deployed."""
    return f"{kind}-api.localhost:{aws.port}"


def deploy_api(aws: LocalAws, kind: str, page: str) -> StudioApi:
    """Deploy an example for a page's origin, under a domain of its own."""
    outputs = aws.deploy({"AllowedOrigin": page}, f"{kind}-api", f"docs/examples/{kind}_api.yaml")
    api = StudioApi(aws, kind, outputs["AuthorizerApi"])
    domain, _, _ = api.host.partition(":")
    if kind == "rest":
        apigateway = aws.client("apigateway")
        apigateway.create_domain_name(domainName=domain, regionalCertificateArn=CERTIFICATE)
        apigateway.create_base_path_mapping(domainName=domain, restApiId=api.id, stage="v1")
        # Which the emulator does not find in what SAM makes of the template.
        shared = {"gatewayresponse.header.Access-Control-Allow-Origin": f"'{page}'"}
        apigateway.put_gateway_response(restApiId=api.id, responseType="DEFAULT_4XX", responseParameters=shared)
        apigateway.create_deployment(restApiId=api.id, stageName="v1")
    else:
        apigateway = aws.client("apigatewayv2")
        certificate = {"CertificateArn": CERTIFICATE, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
        apigateway.create_domain_name(DomainName=domain, DomainNameConfigurations=[certificate])
        apigateway.create_api_mapping(DomainName=domain, ApiId=api.id, Stage="$default")
        # Which the emulator's CloudFormation takes, and its API Gateway does not find again.
        apigateway.update_api(
            ApiId=api.id,
            CorsConfiguration={
                "AllowOrigins": [page],
                "AllowHeaders": ["authorization", "content-type"],
                "AllowMethods": ["GET"],
            },
        )
    return api


@dataclass(frozen=True)
class LiveApi:
    """The WebSocket API."""

    aws: LocalAws
    named: str

    def connect(self, *subprotocols: str, **headers: str) -> AbstractContextManager[ClientConnection]:
        """Connect with the subprotocols of a browser, or the headers of a program."""
        host = f"{self.named.partition(':')[2]}.execute-api.localhost:{self.aws.port}"
        return connect(
            f"ws://{host}/v1",
            sock=socket.create_connection(("127.0.0.1", self.aws.port)),
            proxy=None,
            subprotocols=list(subprotocols) or None,  # type: ignore[arg-type]
            additional_headers=headers,
            open_timeout=60,
        )


def deploy_live_api(aws: LocalAws) -> LiveApi:
    """Deploy the example, without the one resource that the emulator has no name for, and sends responses without."""
    example = (ROOT / "docs" / "examples" / "websocket_api.yaml").read_text()
    known, found = re.subn(r"  Response:\n    Type: AWS::ApiGatewayV2::RouteResponse\n(    .*\n)+\n", "", example)
    assert found == 1
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as template:
        template.write(known)
        template.flush()
        outputs = aws.deploy({"LoginStack": "shotgrid-login"}, "live-api", template.name)
    return LiveApi(aws, outputs["AuthorizerApi"])
