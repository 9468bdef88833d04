"""The one door before all pages, the API, the metrics and their web sockets."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from jfcelery.web.access import Access, Role, Session

#: Paths that need no login; they tell nothing but whether the server works.
OPEN = frozenset({"/health/live", "/health/ready", "/login"})
#: Beginnings of paths that programs use: they get a status instead of the login page.
FOR_PROGRAMS = ("/api", "/metrics", "/download")
#: Paths whose requests have a body, but only ask.
READING = frozenset(
    f"/api/{path}"
    for path in ("jobs/search", "jobs/count", "flows/search", "flows/count", "actions/preview")
)
#: Methods that change nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: Name of the header that carries a session's csrf.
CSRF_HEADER = "x-csrf-token"
#: Key under which the caller is found in a request's scope.
CALLER = "jfcelery.caller"
#: What browsers are told with every answer. The pages are made of templates that the browser
#: compiles, hence 'unsafe-eval'; nothing is loaded from anywhere else.
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        "connect-src 'self' ws: wss:; frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # With no-referrer, browsers would hide from us that our own forms are ours (Origin: null).
    "referrer-policy": "same-origin",
}
#: Close code of a web socket that may not enter (RFC 6455, policy violation).
REFUSED = 1008


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    Args:
        role: What they may do.
        session: Their session, None for a program with a token.
        name: The session's name, for its end.
    """

    role: Role
    session: Session | None = None
    name: str = ""

    @property
    def may_act(self) -> bool:
        """Whether they may change anything."""
        return self.role == "full" and not (self.session and self.session.closed)


class Door:
    """Lets requests through that may enter; an ASGI middleware.

    Args:
        app: What lies behind.
        access: Who may enter.
        cookie: Name of the cookie that holds the session.
        hosts: Names by which browsers may call this server, without ports; empty for any. It
            keeps pages of others from reaching a loopback address by a name of theirs.
    """

    def __init__(
        self, app: ASGIApp, *, access: Access, cookie: str, hosts: Collection[str] = ()
    ) -> None:
        self.app = app
        self.access = access
        self.cookie = cookie
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        caller = self._caller(headers)
        scope[CALLER] = caller
        refusal = self._refusal(scope, headers, caller)
        if refusal is None:
            await self.app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": REFUSED})
        else:
            await refusal(scope, receive, _with_headers(send))

    def _caller(self, headers: Headers) -> Caller | None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if given:
            role = self.access.by_token(given.strip()) if scheme.lower() == "bearer" else None
            return Caller(role) if role else None
        name = session_name(headers, self.cookie)
        session = self.access.session(name) if name else None
        return Caller(session.role, session, name) if session else None

    def _refusal(self, scope: Scope, headers: Headers, caller: Caller | None) -> Response | None:
        """Return the answer to a request that may not go further."""
        if self.hosts and host_name(headers.get("host", "")) not in self.hosts:
            return _no(421, "This server is not called so.", "Use the address that it printed.")
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE
        if changes and not _same_origin(headers):
            return _no(403, "The request comes from a page of another site.", "")
        if scope["path"] in OPEN:
            return None
        if caller is None:
            return _stranger(scope)
        return _forbidden(scope, headers, caller) if changes else None


def session_name(headers: Headers, cookie: str) -> str:
    """Return the name of the session that a request's cookie holds; empty if none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(cookie)
    except CookieError:
        return ""
    return found.value if found else ""


def host_name(host: str) -> str:
    """Return the name in a ``Host`` header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _stranger(scope: Scope) -> Response:
    """Return the answer to somebody who is not logged in."""
    if scope["type"] == "http" and not scope["path"].startswith(FOR_PROGRAMS):
        return RedirectResponse("/login", status_code=303)
    return _no(401, "No valid token or login.", "Log in, or send a token.")


def _forbidden(scope: Scope, headers: Headers, caller: Caller) -> Response | None:
    """Return the answer to a request of the API that may change nothing, None if it may."""
    path: str = scope["path"]
    if not path.startswith("/api"):
        return None
    if not caller.may_act and path not in READING:
        return _no(403, "This login may only read.", "Use the token that may act.")
    sent = headers.get(CSRF_HEADER, "").encode()
    if caller.session and not compare_digest(sent, caller.session.csrf.encode()):
        return _no(
            403,
            "The request lacks the session's csrf token.",
            f"Send it in {CSRF_HEADER}; GET /api/session tells it.",
        )
    return None


def _same_origin(headers: Headers) -> bool:
    """Return whether a request comes from our own pages, or from no page at all."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
    try:
        return urlsplit(origin).netloc == headers.get("host", "")
    except ValueError:
        return False


def _no(status: int, message: str, remedy: str) -> Response:
    content = {"error": "Refused", "message": message, "remedy": remedy}
    extra = {"www-authenticate": "Bearer"} if status == 401 else {}  # noqa: PLR2004 - HTTP's
    return JSONResponse(content, status_code=status, headers=extra)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def caller_of(scope: Any) -> Caller:
    """Return who sent a request that has passed the door."""
    caller: Caller = scope[CALLER]
    return caller
