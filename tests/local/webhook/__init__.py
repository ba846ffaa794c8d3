"""A studio's webhook: a Lambda function with its own role, script key, API and stack, deployed before the gateway."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass

import requests

from tests.local.stack import LocalAws
from tests.site.fake_site import FakeSite

STACK = "studio-webhook"
SCRIPT = "shot_webhook"


@dataclass(frozen=True)
class Delivery:
    """The response to one event. Times are of the monotonic clock, in seconds. Status 0 means no response."""

    started: float
    ended: float
    status: int
    text: str


@dataclass(frozen=True)
class Webhook:
    """The deployed webhook, with what the site needs to deliver events to it."""

    aws: LocalAws
    site: FakeSite
    host: str
    secret_token: str

    def deliver(self, secret_token: str | None = None) -> Delivery:
        """Deliver a change of the show's first shot. The signature is as the vendor documents it."""
        entity = {"type": "Shot", "id": self.site.show.shots[0].id}
        body = json.dumps({"data": {"event_type": "Shotgun_Shot_Change", "operation": "update", "entity": entity}})
        key = self.secret_token if secret_token is None else secret_token
        signature = hmac.new(key.encode(), body.encode(), hashlib.sha1).hexdigest()
        headers = {"host": self.host, "content-type": "application/json", "x-sg-signature": f"sha1={signature}"}
        started = time.monotonic()
        try:
            response = requests.post(f"{self.aws.endpoint}/live/shots", data=body, headers=headers, timeout=30)
        except requests.RequestException as error:
            return Delivery(started, time.monotonic(), 0, repr(error))
        return Delivery(started, time.monotonic(), response.status_code, response.text)


def deploy_webhook(aws: LocalAws, site: FakeSite) -> Webhook:
    """Deploy the webhook, with its own script key at the site."""
    key, secret_token = secrets.token_hex(16), secrets.token_hex(16)
    site.add_script(SCRIPT, key)
    outputs = aws.create(
        {"ShotGridSiteUrl": site.url, "ScriptName": SCRIPT, "ScriptKey": key, "SecretToken": secret_token},
        STACK,
        "tests/local/webhook/template.yaml",
    )
    return Webhook(aws, site, f"{outputs['ApiId']}.execute-api.localhost:{aws.port}", secret_token)
