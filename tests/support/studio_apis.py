"""A studio's own APIs: the example stacks, deployed unchanged and called over HTTP or a WebSocket."""

from __future__ import annotations

import re
import socket
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

from tests.local.stack import CERTIFICATE, ROOT, LocalAws
from tests.support.client import Response

KINDS = ("rest", "http")

# The permission groups of the rules that the suite deploys: for the whole of each API, and for `/reports`.
GROUPS = "Artist|Manager|Admin|Production Coordinator"
REPORTS_GROUPS = "Manager|Admin"


@dataclass(frozen=True)
class StudioApi:
    """A deployed REST or HTTP API.

    Attributes:
        entry: its entry in the gateway's parameter AuthorizerApis.
        cache_seconds: how long API Gateway caches a response of the authorizer, as deployed.
    """

    aws: LocalAws
    kind: str
    entry: str
    cache_seconds: int

    @property
    def id(self) -> str:
        return self.entry.partition(":")[2]

    @property
    def host(self) -> str:
        """Its host name and port, for pages on this machine."""
        return host_of(self.kind, self.aws)

    @property
    def rules(self) -> str:
        """Its rules in the gateway's parameter AuthorizerRules, without the final semicolon."""
        return f"{self.id}={GROUPS},{self.id}/reports={REPORTS_GROUPS}"

    def get(self, path: str, api_token: str | None = None, **headers: str) -> Response:
        """Send a GET request, with the token as the bearer if there is one."""
        sent = {"host": self.host} | headers
        if api_token is not None:
            sent["authorization"] = f"Bearer {api_token}"
        response = requests.get(f"{self.aws.endpoint}{path}", headers=sent, timeout=60)
        return Response(response.status_code, response.headers, response.text)

    def context(self, path: str, api_token: str) -> dict[str, Any]:
        """Return the authorizer's context that the API received with this request."""
        response = self.get(path, api_token)
        assert response.status == 200, response.text
        assert response.body["path"] == path
        context: dict[str, Any] = response.body["who"]
        return context

    def cache_for(self, seconds: int) -> None:
        """Change how long API Gateway caches a response of the authorizer, without a deployment."""
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
    """Return the host name and port of an API, which are known before the deployment."""
    return f"{kind}-api.localhost:{aws.port}"


def deploy_studio_apis(aws: LocalAws, page: str) -> dict[str, StudioApi]:
    """Deploy the REST and the HTTP example for pages of this origin, and name them and their rules to the gateway."""
    entries = {
        kind: aws.create({"AllowedOrigin": page}, f"{kind}-api", f"docs/examples/{kind}_api.yaml")["AuthorizerApi"]
        for kind in KINDS
    }
    apis = {kind: StudioApi(aws, kind, entry, _cache_seconds(aws, kind, entry)) for kind, entry in entries.items()}
    _serve_rest_api(apis["rest"])
    _serve_http_api(apis["http"], page)
    aws.update(
        {
            "AuthorizerApis": ",".join(api.entry for api in apis.values()),
            "AuthorizerRules": ",".join(api.rules for api in apis.values()) + ";",
        }
    )
    return apis


def _cache_seconds(aws: LocalAws, kind: str, entry: str) -> int:
    api_id = entry.partition(":")[2]
    if kind == "rest":
        (authorizer,) = aws.client("apigateway").get_authorizers(restApiId=api_id)["items"]
        return int(authorizer["authorizerResultTtlInSeconds"])
    (authorizer,) = aws.client("apigatewayv2").get_authorizers(ApiId=api_id)["Items"]
    return int(authorizer["AuthorizerResultTtlInSeconds"])


def _serve_rest_api(api: StudioApi) -> None:
    domain, _, _ = api.host.partition(":")
    apigateway = api.aws.client("apigateway")
    apigateway.create_domain_name(domainName=domain, regionalCertificateArn=CERTIFICATE)
    apigateway.create_base_path_mapping(domainName=domain, restApiId=api.id, stage="v1")


def _serve_http_api(api: StudioApi, page: str) -> None:
    domain, _, _ = api.host.partition(":")
    apigateway = api.aws.client("apigatewayv2")
    certificate = {"CertificateArn": CERTIFICATE, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
    apigateway.create_domain_name(DomainName=domain, DomainNameConfigurations=[certificate])
    apigateway.create_api_mapping(DomainName=domain, ApiId=api.id, Stage="$default")
    # The emulator's CloudFormation stores the CORS configuration where its API Gateway does not read it.
    apigateway.update_api(
        ApiId=api.id,
        CorsConfiguration={
            "AllowOrigins": [page],
            "AllowHeaders": ["authorization", "content-type"],
            "AllowMethods": ["GET"],
        },
    )


@dataclass(frozen=True)
class LiveApi:
    """A deployed WebSocket API."""

    aws: LocalAws
    id: str

    def connect(self, *subprotocols: str, **headers: str) -> AbstractContextManager[ClientConnection]:
        """Connect with subprotocols, as a browser does, or with headers, as a program does."""
        host = f"{self.id}.execute-api.localhost:{self.aws.port}"
        return connect(
            f"ws://{host}/v1",
            sock=socket.create_connection(("127.0.0.1", self.aws.port)),
            proxy=None,
            subprotocols=list(subprotocols) or None,  # type: ignore[arg-type]
            additional_headers=headers,
            open_timeout=60,
            ping_interval=None,
        )


def deploy_live_api(aws: LocalAws) -> LiveApi:
    """Deploy the WebSocket example without its route response: the emulator does not know this type of resource.

    The emulator sends the responses of the function anyway.
    """
    example = (ROOT / "docs" / "examples" / "websocket_api.yaml").read_text()
    template, removed = re.subn(r"  \w+:\n    Type: AWS::ApiGatewayV2::RouteResponse\n(    .*\n)+\n", "", example)
    assert removed == 1
    outputs = aws.create_from(template, {}, "live-api")
    return LiveApi(aws, outputs["AuthorizerApi"].partition(":")[2])
