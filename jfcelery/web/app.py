"""The web application of a project: health, metrics, API, pages, all behind one door."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from jfcelery.web.api.answers import answer_errors
from jfcelery.web.api.routes import router
from jfcelery.web.current import Current
from jfcelery.web.door import Door
from jfcelery.web.health import readiness
from jfcelery.web.login import login_routes
from jfcelery.web.metrics import ProjectMetrics

if TYPE_CHECKING:
    from collections.abc import Collection

    from jfcelery.project import Project
    from jfcelery.web.access import Access

#: What the OpenAPI document says of the whole.
DESCRIPTION = """\
What `jfc` shows and does, over HTTP. Programs send a token (`Authorization: Bearer …`) from the
file `web.json` in the project's folder: one that may act, one that may only read. Browsers have a
session; their changes carry its csrf token in `X-CSRF-Token`."""


def make_app(
    project: Project, access: Access, *, hosts: Collection[str] = (), pages: bool = True
) -> FastAPI:
    """Return the application.

    Args:
        project: The project.
        access: Who may enter.
        hosts: Names by which browsers may call this server; empty for any.
        pages: Whether there are pages for people, too.
    """
    from importlib.metadata import version

    app = FastAPI(
        title="jfcelery",
        version=version("jfcelery"),
        description=DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,  # its scripts come from elsewhere
        redoc_url=None,
    )
    app.state.current = current = Current(project)
    cookie = f"jfc_{re.sub(r'[^A-Za-z0-9]', '_', project.name)}"
    answer_errors(app)
    app.include_router(router)
    app.include_router(login_routes(access, cookie, project.name))
    _watch_routes(app, project)
    if pages:
        from jfcelery.web.pages import add_pages

        add_pages(app, current)
    app.add_middleware(Door, access=access, cookie=cookie, hosts=hosts)
    return app


def _watch_routes(app: FastAPI, project: Project) -> None:
    metrics = ProjectMetrics(project)

    @app.get("/health/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/health/ready", include_in_schema=False)
    def ready() -> Response:
        found = readiness(project)
        content = {"status": "ready" if found.ready else "not ready"}
        return JSONResponse(content, status_code=200 if found.ready else 503)

    @app.get("/metrics", include_in_schema=False)
    def show() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
