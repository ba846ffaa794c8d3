"""An authorizer that uses the standard library only: one signed GetItem of DynamoDB.

The signature is that of AWS documentation: "Create a signed AWS API request".
"""

import hashlib
import hmac
import http.client
import json
import os
import time

TABLE = os.environ["BEARERS_TABLE"]
REGION = os.environ["AWS_REGION"]
HOST = f"dynamodb.{REGION}.amazonaws.com"
TARGET = "DynamoDB_20120810.GetItem"
SIGNED = "content-type;host;x-amz-date;x-amz-target"
TYPE = "application/x-amz-json-1.0"

connection = http.client.HTTPSConnection(HOST, timeout=2)


def handler(event, context):
    scheme, _, token = event["headers"].get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Exception("Unauthorized")
    row = _get(hashlib.sha256(token.encode()).hexdigest())
    if row is None or int(row["expires_at"]["N"]) <= time.time():
        raise Exception("Unauthorized")
    stage_arn = "/".join(event["methodArn"].split("/")[:2])
    return {
        "principalId": row["id"]["S"][:16],
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": f"{stage_arn}/*"}],
        },
        "context": {name: next(iter(value.values())) for name, value in row.items() if "S" in value},
    }


def _get(row_id):
    body = json.dumps({"TableName": TABLE, "Key": {"id": {"S": row_id}}, "ConsistentRead": True})
    connection.request("POST", "/", body, _headers(body))
    response = connection.getresponse()
    content = json.loads(response.read())
    if response.status != 200:
        raise RuntimeError(content.get("__type", response.status))
    return content.get("Item")


def _headers(body):
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/{REGION}/dynamodb/aws4_request"
    values = f"content-type:{TYPE}\nhost:{HOST}\nx-amz-date:{now}\nx-amz-target:{TARGET}\n"
    request = f"POST\n/\n\n{values}\n{SIGNED}\n{hashlib.sha256(body.encode()).hexdigest()}"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers = {
        "Content-Type": TYPE,
        "X-Amz-Date": now,
        "X-Amz-Target": TARGET,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={SIGNED}, Signature={key.hex()}",
    }
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        headers["X-Amz-Security-Token"] = token
    return headers
