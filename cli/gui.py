"""The command ``jfc gui``: pages, REST API and metrics of a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jfcelery.cli.state import load_project

if TYPE_CHECKING:
    from jfcelery.web.access import Access

#: Variables that hold passwords for the login form: one that lets act, one that lets read.
PASSWORD, READ_PASSWORD = "JFCELERY_GUI_PASSWORD", "JFCELERY_GUI_READ_PASSWORD"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--port", "-p", type=click.IntRange(1, 65535), help="Port; by default 8470 or free.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--certificate", type=_FILE, help="Certificate for TLS (PEM, with its chain).")
@click.option("--key", type=_FILE, help="Private key of the certificate (PEM).")
@click.option("--insecure", is_flag=True, help="Listen elsewhere without TLS (behind a proxy).")
@click.option("--api-only", is_flag=True, help="REST API, metrics and health; no pages.")
@click.option("--open", "-o", "browser", is_flag=True, help="Open it in a browser.")
def gui(
    port: int | None,
    address: str,
    certificate: Path | None,
    key: Path | None,
    insecure: bool,
    api_only: bool,
    browser: bool,
) -> None:
    """Show the project in a browser, and serve its REST API and metrics.

    It listens on this machine only, and prints a link that logs in once. Programs send one of the
    tokens in web.json in the project's folder. JFCELERY_GUI_PASSWORD sets a password for the login
    form, JFCELERY_GUI_READ_PASSWORD one that lets only look; with _FILE at its end, either names a
    file that holds it. From elsewhere, forward the port: ssh -L 8470:127.0.0.1:8470 THIS_MACHINE.
    """
    from importlib.util import find_spec

    from jfcelery.errors import RunnerError

    if any(find_spec(name) is None for name in ("fastapi", "nicegui", "prometheus_client")):
        raise RunnerError(
            "the web page is not installed", remedy="Run: pip install 'jfcelery[gui]'"
        )
    from jfcelery.browsing import open_privately
    from jfcelery.services import ensure
    from jfcelery.web.app import make_app
    from jfcelery.web.serve import Listening, serve

    listening = Listening(
        address=address, port=port or 0, certificate=certificate, key=key, insecure=insecure
    )
    project = load_project()
    ensure(project)
    tokens = project.base_dir / "web.json"
    access = _access(tokens)

    def ready(url: str) -> None:
        link = url if api_only else f"{url}/login?key={access.new_link()}"
        click.echo(f"Open: {link}\nTokens for programs: {tokens}\nEnd it with Ctrl-C.")
        if browser:
            open_privately(link, tokens.parent)

    serve(make_app(project, access, hosts=listening.hosts, pages=not api_only), listening, ready)


def _access(tokens: Path) -> Access:
    from jfcelery.project.references import secret_variable
    from jfcelery.web.access import Access, Role, Tokens

    passwords: dict[str, Role] = {}
    if given := secret_variable(READ_PASSWORD):
        passwords[given] = "read"
    if given := secret_variable(PASSWORD):
        passwords[given] = "full"
    return Access(Tokens.of(tokens), passwords)
