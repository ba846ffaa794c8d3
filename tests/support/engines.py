"""Firefox and WebKitGTK, for the tests of the main flows. Both have the same few methods. All other tests use Chromium.

Firefox has WebDriver BiDi (https://w3c.github.io/webdriver-bidi/), JSON on a WebSocket. WebKitGTK has a driver for
WebDriver (https://w3c.github.io/webdriver/), JSON over HTTP, and needs a display, which is Xvfb.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

from tests.local.stack import free_port
from tests.support.client import until

# Seconds for anything that a browser or a page does. Long enough for a machine that runs much else.
SECONDS = 60

# Firefox's settings in a new profile. Without the first one, Firefox switches its popup blocker off for automation.
SETTINGS = {
    "remote.prefs.recommended": False,
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "signon.rememberSignons": False,
    "termsofuse.bypassNotification": True,
    "toolkit.telemetry.server": "data:,",
}

MINI_BROWSER = "*/webkit2gtk-4*/MiniBrowser"  # in /usr/lib; Debian has it in no folder of PATH

# JavaScript: the visible elements of the page and of its open shadow roots, and their text.
ROOTS = "[document, ...[...document.querySelectorAll('*')].map((one) => one.shadowRoot).filter(Boolean)]"
VISIBLE = f"{ROOTS}.flatMap((root) => [...root.querySelectorAll('*')]).filter((one) => one.checkVisibility())"
TEXT = f"{VISIBLE}.filter((one) => !one.parentElement?.checkVisibility()).map((one) => one.innerText)"
CENTER = """
(element) => {
  if (!element) return null;
  element.scrollIntoView({ block: "nearest" });
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left + width / 2, top + height / 2].map(Math.round);
}
"""
FRAME_CORNER = """
(({ left, top }) => [left, top].map(Math.round))(document.querySelector("iframe").getBoundingClientRect())
"""


class DriverError(Exception):
    """A browser returned an error for a command."""


class Tab(ABC):
    """A page in a tab, or a frame of the page."""

    @abstractmethod
    def open(self, url: str) -> None:
        """Open a URL and wait until it has loaded."""

    @abstractmethod
    def reload(self) -> None:
        """Load the page again and wait until it has loaded."""

    @abstractmethod
    def bring_to_front(self) -> None:
        """Make the tab visible. Pages in hidden tabs are slow."""

    @abstractmethod
    def close(self) -> None:
        """Close the tab."""

    @abstractmethod
    def screenshot(self) -> bytes:
        """Return a PNG of the visible part of the page."""

    @abstractmethod
    def frame(self) -> Tab:
        """Return the first frame of the page."""

    @abstractmethod
    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of a JavaScript expression. A promise is awaited."""

    @abstractmethod
    def _perform(self, source: dict[str, Any]) -> None:
        """Perform the actions of an input source. Both protocols have the same ones."""

    def click(self, text: str) -> None:
        """Wait for the button or link with this text, and click it with the mouse."""
        self._click(_with_text(text))

    def fill(self, label: str, text: str) -> None:
        """Wait for the input with this label, which must be empty. Click it and type a text."""
        of_label = f"one.matches('label') && one.textContent.trim() === {json.dumps(label)}"
        self._click(f"{VISIBLE}.find((one) => {of_label})?.control")
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._perform({"type": "key", "id": "keyboard", "actions": keys})

    def _click(self, expression: str) -> None:
        x, y = until(lambda: self._center(expression), SECONDS)
        move = {"type": "pointerMove", "x": x, "y": y}
        press, release = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._perform({"type": "pointer", "id": "mouse", "actions": [move, press, release]})

    def _center(self, expression: str) -> list[int] | None:
        """Return where the element of a JavaScript expression is in the viewport. None if there is no element."""
        center: list[int] | None = self.evaluate(f"({CENTER})({expression})")
        return center

    def press_without_the_user(self, text: str) -> None:
        """Press the button or link with this text from a script. A tab that the page then opens is blocked."""
        self.evaluate(f"{_with_text(text)}.click()")

    def text(self) -> str:
        """Return the visible text of the page. Empty while another page loads."""
        try:
            return "\n".join(self.evaluate(TEXT))
        except DriverError:
            return ""

    def wait_for_text(self, text: str) -> None:
        until(lambda: text in self.text(), SECONDS)


def _with_text(text: str) -> str:
    """Return a JavaScript expression for the visible button or link with this text."""
    return f"{VISIBLE}.find((one) => one.matches('button, a') && one.textContent.trim() === {json.dumps(text)})"


class Engine(ABC):
    """A running browser."""

    @classmethod
    @abstractmethod
    def start(cls) -> AbstractContextManager[Engine]:
        """Run the browser inside a `with` block. Its popup blocker is on. It accepts any certificate."""

    @abstractmethod
    def reset(self) -> None:
        """Close all tabs and delete what pages have stored."""

    @abstractmethod
    def new_tab(self) -> Tab:
        """Open an empty tab and make it visible."""

    @abstractmethod
    def tabs(self) -> list[Tab]:
        """Return the open tabs, with those that pages have opened."""

    def wait_for_popup(self, *known: Tab) -> Tab:
        """Wait until a page has opened another tab than the known ones, and return it."""
        popup: Tab = until(lambda: next((tab for tab in self.tabs() if tab not in known), None), SECONDS)
        return popup


# ---- Firefox -----------------------------------------------------------------------------------------------


class Firefox(Engine):
    """A headless Firefox with a new profile. A user context of Firefox has its own tabs and its own storage."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self.call("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        self._user_context = self.call("browser.createUserContext")["userContext"]

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[Firefox]:
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        assert program, "the browser tests need Firefox (Debian: apt-get install firefox-esr)"
        with tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True) as profile:
            lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in SETTINGS.items()]
            Path(profile, "user.js").write_text("\n".join(lines))
            command = [program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
            log = Path(profile, "stderr")
            with log.open("w") as stderr, _running(command, stderr=stderr):
                found = until(lambda: re.search(r"WebDriver BiDi listening on (\S+)", log.read_text()), SECONDS)
                # The thread of `websockets` that sends pings would use the module `random`, and Hypothesis forbids that
                # while it generates an input.
                url = f"{found[1]}/session"
                with connect(url, max_size=None, proxy=None, ping_interval=None) as connection:
                    yield cls(connection)

    def reset(self) -> None:
        self.call("browser.removeUserContext", userContext=self._user_context)
        self._user_context = self.call("browser.createUserContext")["userContext"]

    def new_tab(self) -> Tab:
        created = self.call("browsingContext.create", type="tab", userContext=self._user_context)
        return FirefoxTab(self, created["context"])

    def tabs(self) -> list[Tab]:
        tree = self.call("browsingContext.getTree", maxDepth=0)["contexts"]
        return [FirefoxTab(self, one["context"]) for one in tree if one["userContext"] == self._user_context]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result. Raises `DriverError`."""
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        message: dict[str, Any] = {}
        while message.get("id") != number:
            message = json.loads(self._connection.recv(timeout=SECONDS))
        if message["type"] == "error":
            raise DriverError(f"{method}: {message['error']}: {message['message']}")
        result: dict[str, Any] = message["result"]
        return result


@dataclass(frozen=True)
class FirefoxTab(Tab):
    """A tab or a frame of Firefox."""

    _firefox: Firefox = field(repr=False)
    _context: str

    def open(self, url: str) -> None:
        self._call("browsingContext.navigate", url=url, wait="complete")

    def reload(self) -> None:
        self._call("browsingContext.reload", wait="complete")

    def bring_to_front(self) -> None:
        self._call("browsingContext.activate")

    def close(self) -> None:
        self._call("browsingContext.close")

    def screenshot(self) -> bytes:
        return base64.b64decode(self._call("browsingContext.captureScreenshot")["data"])

    def frame(self) -> Tab:
        (tree,) = self._firefox.call("browsingContext.getTree", root=self._context)["contexts"]
        return FirefoxTab(self._firefox, tree["children"][0]["context"])

    def evaluate(self, expression: str) -> Any:
        text = self._value(f"(async () => JSON.stringify(await ({expression})))()").get("value")
        return None if text is None else json.loads(text)

    def _perform(self, source: dict[str, Any]) -> None:
        self._call("input.performActions", actions=[source])

    def _value(self, expression: str) -> dict[str, Any]:
        target = {"context": self._context}
        returned = self._firefox.call("script.evaluate", expression=expression, target=target, awaitPromise=True)
        if returned["type"] == "exception":
            raise DriverError(returned["exceptionDetails"]["text"])
        result: dict[str, Any] = returned["result"]
        return result

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._firefox.call(method, context=self._context, **parameters)


# ---- WebKitGTK ---------------------------------------------------------------------------------------------


# The driver now and then starts its browser and never connects to it. Then another driver is started.
SESSION_SECONDS = 20
SESSION_TRIES = 3


class WebKit(Engine):
    """WebKitGTK's small browser. Each test has a new driver and a new browser, with its own storage."""

    def __init__(self, driver: str, display: str) -> None:
        """Use this program and this display."""
        self._program = driver
        self._display = display
        self._requests = requests.Session()
        self._process: subprocess.Popen[bytes] | None = None
        self._new_session()

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[WebKit]:
        driver, xvfb = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
        assert driver, "the browser tests need WebKitGTK (Debian: apt-get install webkit2gtk-driver)"
        assert xvfb, "WebKitGTK needs a display (Debian: apt-get install xvfb)"
        reading, writing = os.pipe()
        options = ["-displayfd", str(writing), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
        with _running([xvfb, *options], pass_fds=[writing]):
            os.close(writing)
            with os.fdopen(reading) as number:
                display = f":{number.readline().strip()}"
            webkit = cls(driver, display)
            try:
                yield webkit
            finally:
                webkit._stop()

    def reset(self) -> None:
        self._stop()
        self._new_session()

    def new_tab(self) -> Tab:
        self._first.bring_to_front()  # the driver opens no window after the current one was closed
        tab = WebKitTab(self, self.call("POST", "/window/new", type="window")["handle"])
        tab.bring_to_front()
        return tab

    def tabs(self) -> list[Tab]:
        tabs = [WebKitTab(self, handle) for handle in self.call("GET", "/window/handles")]
        return [tab for tab in tabs if tab != self._first]

    def _new_session(self) -> None:
        program = next(Path("/usr/lib").glob(MINI_BROWSER))
        options = {"binary": str(program), "args": ["--automation"]}
        wanted = {"alwaysMatch": {"acceptInsecureCerts": True, "webkitgtk:browserOptions": options}}
        for tries_left in reversed(range(SESSION_TRIES)):
            self._start_driver()
            try:
                body = {"capabilities": wanted}
                started = self._requests.post(f"{self._driver}/session", json=body, timeout=SESSION_SECONDS).json()
                break
            except requests.exceptions.ReadTimeout:
                self._stop()
                if not tries_left:
                    raise
        self._session = "/" + started["value"]["sessionId"]
        self._first = WebKitTab(self, self.call("GET", "/window"))

    def _start_driver(self) -> None:
        port = free_port()
        self._driver = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [self._program, f"--port={port}"],
            env=os.environ | {"DISPLAY": self._display},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(lambda: _accepts_connections(port), SECONDS)

    def _stop(self) -> None:
        """Stop the driver, its browser, and the browser's own processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def call(self, method: str, path: str, **parameters: Any) -> Any:
        """Send a command of the session and return its value. Raises `DriverError`."""
        body = parameters if method == "POST" else None
        url = f"{self._driver}/session{self._session}{path}"
        value = self._requests.request(method, url, json=body, timeout=SECONDS).json()["value"]
        if isinstance(value, dict) and "error" in value:
            raise DriverError(f"{path}: {value['error']}: {value['message']}")
        return value


@dataclass(frozen=True)
class WebKitTab(Tab):
    """A tab of WebKitGTK, or the first frame in it. A command to a tab also makes it visible."""

    _webkit: WebKit = field(repr=False)
    _handle: str
    _is_frame: bool = False

    def open(self, url: str) -> None:
        self._call("POST", "/url", url=url)

    def reload(self) -> None:
        self._call("POST", "/refresh")

    def bring_to_front(self) -> None:
        self._webkit.call("POST", "/window", handle=self._handle)

    def close(self) -> None:
        self._call("DELETE", "/window")

    def screenshot(self) -> bytes:
        return base64.b64decode(self._call("GET", "/screenshot"))

    def frame(self) -> Tab:
        return replace(self, _is_frame=True)

    def evaluate(self, expression: str) -> Any:
        return self._call("POST", "/execute/sync", script=f"return ({expression})", args=[])

    def _center(self, expression: str) -> list[int] | None:
        center = super()._center(expression)
        if center is None or not self._is_frame:
            return center
        # This driver moves the mouse in the viewport of the tab, even if a frame is selected.
        left, top = replace(self, _is_frame=False).evaluate(FRAME_CORNER)
        return [left + center[0], top + center[1]]

    def _perform(self, source: dict[str, Any]) -> None:
        self._call("POST", "/actions", actions=[source])

    def _call(self, method: str, path: str, **parameters: Any) -> Any:
        self.bring_to_front()
        if self._is_frame:
            self._webkit.call("POST", "/frame", id=0)
        return self._webkit.call(method, path, **parameters)


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[None]:
    """Run a program inside a `with` block, without its output."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **silent | options) as process:
        try:
            yield
        finally:
            process.terminate()


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
