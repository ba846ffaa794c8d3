"""A studio's webhook: when the site delivers a change of a shot, it reads the shot with its script key.

Deliveries are signed as the vendor documents: the header `x-sg-signature` has `sha1=` and the HMAC of the body
with the webhook's secret token.
"""

import hashlib
import hmac
import json
import os
from typing import Any

from shotgun_api3.shotgun import Shotgun

SITE_SECONDS = 5  # for each call; the site waits six for the response to a delivery


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Response one delivery with the name of its shot."""
    body = event["body"] or ""
    signature = hmac.new(os.environ["SECRET_TOKEN"].encode(), body.encode(), hashlib.sha1).hexdigest()
    headers = {name.lower(): value for name, value in event["headers"].items()}
    if not hmac.compare_digest(headers.get("x-sg-signature", "").encode(), f"sha1={signature}".encode()):
        return {"statusCode": 401, "body": ""}
    shot_id = json.loads(body)["data"]["entity"]["id"]
    return {"statusCode": 200, "body": json.dumps({"shot": _shot_name(shot_id)})}


def _shot_name(shot_id: int) -> object:
    """Return a shot's name, None where it is deleted by now."""
    name, key = os.environ["SCRIPT_NAME"], os.environ["SCRIPT_KEY"]
    site = Shotgun(os.environ["SHOTGRID_SITE_URL"], script_name=name, api_key=key, connect=False)
    site.config.timeout_secs = SITE_SECONDS
    shot = site.find_one("Shot", [["id", "is", shot_id]], ["code"])
    return None if shot is None else shot.get("code")
