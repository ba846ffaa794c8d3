"""A studio's webhook: the site delivers a change of a shot, and the webhook reads the shot with its script key.

Deliveries are signed as the vendor documents: the header `x-sg-signature` is `sha1=` and the HMAC of the body, with
the webhook's secret token as the key.
"""

import hashlib
import hmac
import json
import os
from typing import Any

from shotgun_api3.shotgun import Shotgun

SITE_SECONDS = 5  # timeout of each call; the site waits six seconds for the response to a delivery


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Respond to one delivery with the name of its shot."""
    body = event["body"] or ""
    signature = hmac.new(os.environ["SECRET_TOKEN"].encode(), body.encode(), hashlib.sha1).hexdigest()
    headers = {name.lower(): value for name, value in event["headers"].items()}
    if not hmac.compare_digest(headers.get("x-sg-signature", "").encode(), f"sha1={signature}".encode()):
        return {"statusCode": 401, "body": ""}
    shot_id = json.loads(body)["data"]["entity"]["id"]
    return {"statusCode": 200, "body": json.dumps({"shot": _shot_name(shot_id)})}


def _shot_name(shot_id: int) -> object:
    """Return the name of a shot, None if the shot no longer exists."""
    name, key = os.environ["SCRIPT_NAME"], os.environ["SCRIPT_KEY"]
    site = Shotgun(os.environ["SHOTGRID_SITE_URL"], script_name=name, api_key=key, connect=False)
    site.config.timeout_secs = SITE_SECONDS
    shot = site.find_one("Shot", [["id", "is", shot_id]], ["code"])
    return None if shot is None else shot.get("code")
