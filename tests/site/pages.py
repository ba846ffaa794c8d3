"""The pages of a site that a user opens in a browser: the login, and the approval of a sign-in.

Known of the approval page: it redirects to the login without a cookie, shows the name of the application, and has a
button to approve (probed). The rest is unknown: what a real site shows, and its headers.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from flask import Flask, Response, make_response, render_template, request

from tests.site.accounts import Account
from tests.site.internal_api import SESSION_COOKIE
from tests.site.launcher import PAGE_PATH, ApprovalRequest, Launcher
from tests.site.state import State

LOGIN_PATH = "/user/login"
HOME = "/"
# A path on this site. A browser would read `//host` and `/\host` as addresses of other hosts.
LOCAL_PATH = re.compile(r"/(?![/\\])[!-~]*")

# The heading and the labels of the login form, by what `/api/v1` reports as the sign-in method.
FORMS = {
    "oxygen": ("Sign in with your Autodesk account", "Email", "Autodesk password"),
    "saml2": ("Single sign-on of your company", "Account", "Password of your company account"),
}
SITE_FORM = ("Sign in to ShotGrid", "User name", "Password")


class Pages:
    """The pages, and the sign-ins that wait for a second factor."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._half_signed_in: dict[str, Account] = {}  # by a secret in the form for the second factor

    def add_to(self, app: Flask) -> None:
        app.add_url_rule(HOME, view_func=self._home)
        app.add_url_rule(LOGIN_PATH, view_func=self._login_form)
        app.add_url_rule(LOGIN_PATH, view_func=self._login, methods=["POST"])
        app.add_url_rule("/user/logout", view_func=self._logout, methods=["POST"])
        app.add_url_rule(f"{PAGE_PATH}/<request_id>", view_func=self._approval)
        app.add_url_rule(f"{PAGE_PATH}/<request_id>", view_func=self._decide, methods=["POST"])

    # ---- sign-in ---------------------------------------------------------------------------------------

    def _home(self) -> Response:
        user = self._user()
        return self._page("home.html", user=user) if user else _to_login(HOME)

    def _login_form(self) -> Response:
        return_path = local_path(request.args.get("return_path", ""))
        return _redirect(return_path) if self._user() else self._login_page(return_path)

    def _login(self) -> Response:
        """Handle one of the two forms. A `sign_in` is only in the form for the second factor."""
        form = request.form
        return_path = local_path(form.get("return_path", ""))
        self._state.add_secrets({name: form[name] for name in ("password", "code", "sign_in") if name in form})
        if "sign_in" in form:
            return self._second_factor(form["sign_in"], form.get("code", ""), return_path)
        login = form.get("login", "")
        user = self._state.user_of_page(login, form.get("password", ""))
        if user is None:
            return self._login_page(return_path, login, "The user name or the password is not correct.")
        if self._state.switches_of(user.login).two_factor:
            sign_in = secrets.token_hex(16)
            self._half_signed_in[sign_in] = user
            return self._second_factor_page(sign_in, user, return_path)
        return self._signed_in(user, return_path)

    def _second_factor(self, sign_in: str, code: str, return_path: str) -> Response:
        user = self._half_signed_in.get(sign_in)
        if user is None:
            return self._login_page(return_path, error="Sign in again.")
        if not self._state.use_code(user, "".join(code.split())):
            return self._second_factor_page(sign_in, user, return_path, "The code is not correct.")
        user.has_second_factor = True
        del self._half_signed_in[sign_in]
        return self._signed_in(user, return_path)

    def _signed_in(self, user: Account, return_path: str) -> Response:
        response = _redirect(return_path)
        samesite = self._state.switches.site_cookie_samesite
        token = self._state.new_session_token(user)
        response.set_cookie(SESSION_COOKIE, token, httponly=True, samesite=samesite)
        return response

    def _logout(self) -> Response:
        self._state.end_web_session(request.cookies.get(SESSION_COOKIE, ""))
        response = _to_login(local_path(request.form.get("return_path", "")))
        response.delete_cookie(SESSION_COOKIE, httponly=True)
        return response

    def _login_page(self, return_path: str, login: str = "", error: str = "") -> Response:
        heading, login_label, password_label = FORMS.get(self._state.switches.authentication_method, SITE_FORM)
        return self._page(
            "login.html",
            heading=heading,
            login_label=login_label,
            password_label=password_label,
            login=login,
            error=error,
            return_path=return_path,
        )

    def _second_factor_page(self, sign_in: str, user: Account, return_path: str, error: str = "") -> Response:
        """Return the form for a code. A user without a second factor also gets the key for an authenticator app."""
        self._state.add_secrets({"sign_in": sign_in, "otp_secret": user.otp_secret})
        return self._page(
            "second_factor.html",
            heading="Two-factor authentication" if user.has_second_factor else "Set up two-factor authentication",
            otp_secret=None if user.has_second_factor else user.otp_secret,
            sign_in=sign_in,
            error=error,
            return_path=return_path,
        )

    # ---- approval --------------------------------------------------------------------------------------

    def _approval(self, request_id: str) -> Response:
        user = self._user()
        if user is None:
            return _to_login(f"{PAGE_PATH}/{request_id}")  # without `sticky_id` (probed)
        approval = self._find(request_id)
        if approval is None or not self._state.is_open(approval):
            return self._ended_page()
        return self._page(
            "approval.html",
            path=f"{PAGE_PATH}/{request_id}",
            app_name=approval.app_name,
            machine_id=approval.machine_id if self._state.switches.shows_machine else None,
            user=user,
        )

    def _decide(self, request_id: str) -> Response:
        user = self._user()
        if user is None:
            return _to_login(f"{PAGE_PATH}/{request_id}")
        decision = request.form.get("decision")
        if self._find(request_id) is None or decision not in ("approve", "decline"):
            return self._ended_page()
        try:
            if decision == "approve":
                self._state.approve(request_id, user, request.remote_addr)
            else:
                self._state.decline(request_id)
        except LookupError:
            return self._ended_page()
        if decision == "approve":
            return self._message_page("Approved", "You can close this tab and return to the application.")
        return self._message_page("Declined", "The application was not signed in. You can close this tab.")

    def _find(self, request_id: str) -> ApprovalRequest | None:
        """Return an approval request. A site whose launcher is off has none."""
        if self._state.launcher() is not Launcher.ON:
            return None
        try:
            return self._state.approval_request(request_id)
        except LookupError:
            return None

    def _ended_page(self) -> Response:
        text = "Its time is over, or it was approved or declined before. Start again in the application."
        response = self._message_page("This request has ended", text)
        response.status_code = 404
        return response

    # ---- responses -------------------------------------------------------------------------------------

    def _user(self) -> Account | None:
        return self._state.user_of_session(request.cookies.get(SESSION_COOKIE, ""))

    def _message_page(self, heading: str, text: str) -> Response:
        return self._page("message.html", heading=heading, text=text)

    def _page(self, template: str, **values: Any) -> Response:
        response = make_response(render_template(template, **values))
        response.headers["cache-control"] = "no-store"
        switches = self._state.switches
        headers = {"x-frame-options": switches.page_framing, "cross-origin-opener-policy": switches.page_coop}
        response.headers.update({name: value for name, value in headers.items() if value})
        return response


def local_path(path: str) -> str:
    """Return a path if it leads to a page of this site, else the path of the home page."""
    return path if LOCAL_PATH.fullmatch(path) else HOME


def _to_login(return_path: str) -> Response:
    return _redirect(f"{LOGIN_PATH}?return_path={return_path}")


def _redirect(path: str) -> Response:
    return Response(status=302, headers={"location": f"{request.host_url.rstrip('/')}{path}"})
