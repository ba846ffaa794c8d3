"""A password step with the event handler of Powertools, its logger and its metrics."""

import os
import secrets
import time
import uuid

import boto3
import requests
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig
from aws_lambda_powertools.event_handler.exceptions import UnauthorizedError
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(service="peer")
metrics = Metrics(namespace="Peer", service="peer")
app = APIGatewayRestResolver(cors=CORSConfig(allow_origin="https://pages.example"))
table = boto3.resource("dynamodb").Table(os.environ["STATE_TABLE"])
SITE = os.environ["SHOTGRID_SITE_URL"]


@app.post("/auth/password")
def password():
    body = app.current_event.json_body
    form = {"grant_type": "password", "username": body["username"], "password": body["password"]}
    response = requests.post(f"{SITE}/api/v1/auth/access_token", data=form, timeout=10)
    if response.status_code != 200:
        raise UnauthorizedError("invalid credentials")
    tokens = response.json()
    session = {
        "id": f"peer#{uuid.uuid4()}",
        "token": secrets.token_urlsafe(32),
        "refresh_token": tokens["refresh_token"],
        "expires_at": int(time.time()) + tokens["expires_in"],
    }
    table.put_item(Item=session)
    metrics.add_metric(name="SignedIn", unit=MetricUnit.Count, value=1)
    return {"access_token": tokens["access_token"], "session": session["token"]}


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event, context):
    return app.resolve(event, context)
