"""Requests of the check: bounded in time and size, sent once, and a sentence for each way that none is answered."""

from __future__ import annotations

import json
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

from shotgrid_login.site import ANSWER_SECONDS, CONNECT_SECONDS, READ_SECONDS
from shotgrid_login_ops.check.addresses import is_of_this_machine
from shotgrid_login_ops.check.findings import Finding, ok, problem

# For all requests to one host together. Seconds.
TOTAL_SECONDS = 60

# The largest file that the check reads, a module, is about 20 KB.
MAX_ANSWER_BYTES = 512 * 1024

# What is wrong with a certificate, by OpenSSL's X509_V_ERR_* number.
_CERTIFICATE_FAULTS = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "is signed by an authority that this machine does not trust",
    20: "is signed by an authority that this machine does not trust",
    62: "is for another host",
    64: "is for another host",
}


class NoAnswer(Exception):
    """A request that got no answer: `value` in two words, and what it means, for people."""

    def __init__(self, value: str, meaning: str, next_step: str, *, is_tls: bool = False) -> None:
        super().__init__(value)
        self.value = value
        self.meaning = meaning
        self.next_step = next_step
        self._about = "tls" if is_tls else "reachable"

    def finding(self, of: str) -> Finding:
        """Return the line for `of`, a site or a gateway."""
        return problem(f"{of}.{self._about}", self.value, self.meaning, self.next_step)


@dataclass(frozen=True)
class Answer:
    """What came back. Nothing of it shows by itself: it may hold tokens."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # whatever their letter case
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The parsed body, None where it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body's fields, none where it is not a JSON object."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Connection:
    """One host. Redirects are not followed and the environment's proxies and netrc not used, as the gateway does."""

    def __init__(self, base: str) -> None:
        """Take an address without a final slash."""
        self.base = base
        self._seconds_left = float(TOTAL_SECONDS)

    def ask(self, method: str, path: str, *, body: str | Mapping[str, str] = "", **headers: str) -> Answer:
        """Send one request, a mapping as a form and text as JSON; raises `NoAnswer`."""
        if self._seconds_left <= 0:
            raise self._too_slow()
        url, host = _reachable_here(f"{self.base}{path}")
        sent = (
            {"Accept": "application/json"} | host | {name.replace("_", "-"): value for name, value in headers.items()}
        )
        if isinstance(body, str) and body:
            sent = {"content-type": "application/json"} | sent
        outcomes: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
        started = time.monotonic()
        # The timeouts of `requests` are for each part of an answer, and none is for finding the host: the limit for
        # all of it is how long this waits for a thread.
        threading.Thread(target=_exchange, args=(method, url, body, sent, outcomes), daemon=True).start()
        try:
            outcome = outcomes.get(timeout=min(ANSWER_SECONDS, self._seconds_left))
        except queue.Empty:
            raise self._too_slow() from None
        self._seconds_left -= time.monotonic() - started
        if isinstance(outcome, Exception):
            raise _no_answer(self.base, outcome) from None
        return outcome

    def _too_slow(self) -> NoAnswer:
        return NoAnswer(
            "too slow",
            f"{urlsplit(self.base).hostname} did not finish an answer within {ANSWER_SECONDS} s, or all of them within "
            f"{TOTAL_SECONDS} s. Pages would wait as long.",
            "Run the check again. If it stays so, whoever runs the host has to look why it is slow.",
        )

    def tls(self, of: str) -> Finding:
        """Return the line on TLS, for a host that has answered."""
        if self.base.startswith("https:"):
            return ok(f"{of}.tls", "verified", "The certificate is for this host, valid and trusted.")
        return ok(f"{of}.tls", "none", "Not encrypted, which is for trying out on this machine only.")


def _exchange(
    method: str,
    url: str,
    body: str | Mapping[str, str],
    headers: Mapping[str, str],
    outcomes: queue.SimpleQueue[Answer | Exception],
) -> None:
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            with session.request(
                method,
                url,
                data=body.encode() if isinstance(body, str) else body,
                headers=dict(headers),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                outcomes.put(Answer(response.status_code, response.headers, _read(response)))
    except Exception as error:  # noqa: BLE001 - told apart by the thread that waits for it
        outcomes.put(error)


def _read(response: requests.Response) -> bytes:
    body = b""
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            return b""  # none of the answers that are known
    return body


def _reachable_here(url: str) -> tuple[str, dict[str, str]]:
    """Return the address to connect to, and the Host header where that is another: names under `localhost`.

    They are this machine (RFC 6761, 6.3), which browsers know and the system's resolver often does not.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not (parts.hostname or "").endswith(".localhost"):
        return url, {}
    port = "" if parts.port is None else f":{parts.port}"
    return urlunsplit(parts._replace(netloc=f"127.0.0.1{port}")), {"Host": parts.netloc}


def _no_answer(base: str, error: Exception) -> NoAnswer:
    """Say why there was none. Only the kind of the error counts: its text holds the whole request."""
    parts = urlsplit(base)
    host = parts.hostname or ""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _bad_certificate(host, cause.verify_code)
        if isinstance(cause, socket.gaierror):
            return NoAnswer(
                "no such host",
                f"{host} does not resolve: there is no such host, or this machine cannot look it up.",
                "Compare the address with the one in the browser, and try from a network that reaches it.",
            )
        if isinstance(cause, ConnectionRefusedError):
            where = "Start it" if is_of_this_machine(host) else "Check the address and its port"
            return NoAnswer(
                "connection refused",
                f"{host} exists, but nothing listens on port {_port(base)}.",
                f"{where}, then run the check again.",
            )
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or isinstance(error, requests.exceptions.SSLError):
        return NoAnswer(
            "TLS failed",
            f"{host} does not speak TLS on port {_port(base)}, or none that this machine accepts.",
            "Check the port; if it is right, have whoever runs the host enable TLS 1.2 or newer.",
            is_tls=True,
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        proxies = any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
        return NoAnswer(
            "cannot connect",
            f"{host} did not take a connection within {CONNECT_SECONDS} s."
            + (" The proxy that the environment names is not used: the gateway on AWS has none." if proxies else ""),
            "Look for a firewall or an IP allow list in between, or run the check from another network.",
        )
    if isinstance(error, requests.exceptions.Timeout):
        return NoAnswer(
            "no answer in time",
            f"{host} took the connection and did not answer within {READ_SECONDS} s.",
            "Open it in a browser. If it hangs there too, whoever runs it has to look; else run the check again.",
        )
    return NoAnswer(
        "connection broke",
        f"{host} ended the connection instead of answering.",
        "Run the check again. If it stays so, look for a proxy or firewall in between.",
    )


def _bad_certificate(host: str, verify_code: int) -> NoAnswer:
    fault = _CERTIFICATE_FAULTS.get(verify_code, f"does not hold (OpenSSL's reason {verify_code})")
    return NoAnswer(
        "bad certificate",
        f"The certificate of {host} {fault}. Nothing was sent, and the gateway would not send passwords there either.",
        "Compare the address with the one in the browser; have the certificate renewed or replaced, or, if a firewall "
        "puts its own there, run the check from a network without it.",
        is_tls=True,
    )


def _port(base: str) -> int:
    parts = urlsplit(base)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it, also what `requests` and its pool carry inside."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
        waiting += [one for one in inner if isinstance(one, BaseException)]
