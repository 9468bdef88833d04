"""Addresses that lead to no page: near ones lead on, others are told off."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from nicegui import app as pages
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from jfcelery.web.pages.frame import PAGES
from jfcelery.web.pages.markup import link, text
from jfcelery.web.pages.style import CSS

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

    from jfcelery.web.current import Current

#: Beginnings of what programs ask for, to whom a page says nothing.
_NOT_PAGES = ("/api/", "/_nicegui")


def add_missing(app: FastAPI, current: Current) -> None:
    """Add what is answered where there is no page.

    Args:
        app: The application.
        current: The project.
    """

    @app.get("/jobs/{db_id}", include_in_schema=False)
    def job(db_id: str) -> Response:
        return RedirectResponse(f"/job/{quote(db_id, safe='')}")

    @app.get("/flows/{flow_id}", include_in_schema=False)
    def flow(flow_id: str) -> Response:
        return RedirectResponse(f"/flow/{quote(flow_id, safe='')}")

    @pages.exception_handler(404)
    async def missing(request: Request, error: Exception) -> Response:
        if request.url.path.startswith(_NOT_PAGES):
            detail = getattr(error, "detail", "Not Found")
            return JSONResponse({"detail": detail}, status_code=404)
        return HTMLResponse(_page(request.url.path, current.project.name), status_code=404)


def _page(path: str, project: str) -> str:
    links = " ".join(link(target, words) for target, words in PAGES.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not found - '
        f'{text(project)}</title><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><style>{CSS}</style></head><body><main class="page" id="content">'
        f"<h1>There is no such page</h1><p>{text(path)} leads nowhere. A job is at /job/ID, a "
        f"flow at /flow/ID.</p><nav>{links}</nav></main></body></html>"
    )
