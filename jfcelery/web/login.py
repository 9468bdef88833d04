"""The login page, the one-time link, and the end of a session."""

from __future__ import annotations

import asyncio
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jfcelery.web.access import SESSION_SECONDS
from jfcelery.web.door import session_name

if TYPE_CHECKING:
    from jfcelery.web.access import Access

#: Seconds by which a wrong password is answered later, so that nobody tries many.
PENALTY = 1.0
#: Most bytes of a login form.
MOST_BYTES = 4096

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Log in - jfcelery</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; display: grid; place-items: center;
  min-height: 90vh; margin: 0; background: light-dark(#f4f6f8, #14181d); }}
main {{ background: light-dark(#fff, #1d232a); padding: 2rem; border-radius: 12px;
  width: min(22rem, 80vw); box-shadow: 0 2px 12px rgba(0, 0, 0, .15); }}
h1 {{ font-size: 1.3rem; margin: 0 0 1rem; }}
label {{ display: block; margin-bottom: .3rem; }}
input, button {{ font: inherit; width: 100%; box-sizing: border-box; padding: .6rem;
  border-radius: 8px; border: 1px solid light-dark(#8a949e, #6b7680); }}
button {{ margin-top: 1rem; border: 0; background: #1565c0; color: #fff; cursor: pointer; }}
:focus-visible {{ outline: 3px solid #ffb300; outline-offset: 2px; }}
.error {{ color: light-dark(#b3261e, #ffb4ab); }}
</style></head><body><main><h1>jfcelery: {project}</h1>{error}
<form method="post" action="/login"><label for="password">Password or token</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
autofocus><button type="submit">Log in</button></form>
<p>Or open the link that <code>jfc gui</code> printed; it works once.</p></main></body></html>
"""


def login_routes(access: Access, cookie: str, project: str) -> APIRouter:
    """Return the routes by which people log in and out.

    Args:
        access: Who may enter.
        cookie: Name of the cookie that holds the session.
        project: Name of the project, for the page.
    """
    router = APIRouter(include_in_schema=False)

    def page(error: str = "", status: int = 200) -> Response:
        return _page(project, error, status)

    def entered(request: Request, name: str) -> Response:
        return _entered(request, cookie, name)

    @router.get("/login")
    def show(request: Request, key: str = "") -> Response:
        if not key:
            return page()
        name = access.by_link(key)
        return (
            entered(request, name)
            if name
            else page("This link was used already, or is too old.", 403)
        )

    @router.post("/login")
    async def enter(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_BYTES:
                return page("That is too long.", 413)
        (given, *_) = parse_qs(body.decode(errors="replace")).get("password", [""])
        name = access.by_password(given)
        if name is None:
            await asyncio.sleep(PENALTY)
            return page("That is not the password.", 403)
        return entered(request, name)

    @router.post("/logout")
    def leave(request: Request) -> Response:
        access.close(session_name(request.headers, cookie))
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(cookie)
        return answer

    return router


def _page(project: str, error: str, status: int) -> Response:
    shown = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    text = _PAGE.format(project=escape(project), error=shown)
    return HTMLResponse(text, status_code=status, headers={"cache-control": "no-store"})


def _entered(request: Request, cookie: str, name: str) -> Response:
    answer = RedirectResponse("/", status_code=303, headers={"cache-control": "no-store"})
    answer.set_cookie(
        cookie,
        name,
        max_age=round(SESSION_SECONDS),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer
