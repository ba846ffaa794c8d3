"""A password step as in many tutorials: every import at the top, and `boto3.resource`."""

import json
import logging
import os
import secrets
import time
import uuid

import boto3
import requests

logger = logging.getLogger()
logger.setLevel(logging.INFO)

table = boto3.resource("dynamodb").Table(os.environ["STATE_TABLE"])
SITE = os.environ["SHOTGRID_SITE_URL"]


def handler(event, context):
    body = json.loads(event["body"])
    form = {"grant_type": "password", "username": body["username"], "password": body["password"]}
    response = requests.post(f"{SITE}/api/v1/auth/access_token", data=form, timeout=10)
    if response.status_code != 200:
        return _response(401, {"error": "invalid_credentials"})
    tokens = response.json()
    session = {
        "id": f"peer#{uuid.uuid4()}",
        "token": secrets.token_urlsafe(32),
        "refresh_token": tokens["refresh_token"],
        "expires_at": int(time.time()) + tokens["expires_in"],
    }
    table.put_item(Item=session)
    logger.info("signed in")
    return _response(200, {"access_token": tokens["access_token"], "session": session["token"]})


def _response(status, body):
    headers = {"content-type": "application/json", "access-control-allow-origin": "*"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}
