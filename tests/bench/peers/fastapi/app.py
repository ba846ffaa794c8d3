"""A password step with FastAPI, its adapter Mangum, and the OAuth client of Authlib."""

import os
import secrets
import time
import uuid

import boto3
from authlib.integrations.requests_client import OAuth2Session
from authlib.integrations.requests_client.oauth2_session import OAuthError
from fastapi import FastAPI, HTTPException
from fastapi.middleware.cors import CORSMiddleware
from mangum import Mangum
from pydantic import BaseModel

table = boto3.resource("dynamodb").Table(os.environ["STATE_TABLE"])
SITE = os.environ["SHOTGRID_SITE_URL"]

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["https://pages.example"], allow_methods=["POST"])


class Credentials(BaseModel):
    username: str
    password: str


class SignedIn(BaseModel):
    access_token: str
    session: str


@app.post("/auth/password")
def password(credentials: Credentials) -> SignedIn:
    client = OAuth2Session(token_endpoint_auth_method="none")
    try:
        tokens = client.fetch_token(
            f"{SITE}/api/v1/auth/access_token",
            grant_type="password",
            username=credentials.username,
            password=credentials.password,
        )
    except OAuthError:
        raise HTTPException(401, "invalid credentials") from None
    session = {
        "id": f"peer#{uuid.uuid4()}",
        "token": secrets.token_urlsafe(32),
        "refresh_token": tokens["refresh_token"],
        "expires_at": int(time.time()) + tokens["expires_in"],
    }
    table.put_item(Item=session)
    return SignedIn(access_token=tokens["access_token"], session=session["token"])


handler = Mangum(app, lifespan="off")
