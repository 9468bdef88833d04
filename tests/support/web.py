"""The web server of a project, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jfcelery.web.access import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project


@dataclass(frozen=True)
class WebServer:
    """A running ``jfc gui``.

    Args:
        link: What it printed: its address, with the key of one login if it has pages.
        tokens: The tokens of the project.
    """

    link: str
    tokens: Tokens

    @property
    def url(self) -> str:
        """Its address, without a path."""
        parts = urlsplit(self.link)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def authorization(self) -> dict[str, str]:
        """The header of a program that may act."""
        return {"Authorization": f"Bearer {self.tokens.token}"}


@contextmanager
def web_server(project: Project, *options: str, password: str = "") -> Iterator[WebServer]:
    """Run ``jfc gui`` as a person does; end it as a person does."""
    assert project.source is not None
    env = {
        **os.environ,
        "JFCELERY_PROJECTS_FOLDER": str(project.source.parent),
        "JFCELERY_GUI_READ_PASSWORD": password,
    }
    command = [sys.executable, "-m", "jfcelery.cli.main", "-p", project.name, "gui", *options]
    process = subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        for line in iter(process.stdout.readline, ""):
            lines.append(line)
            if line.startswith("Open: "):
                yield WebServer(line.split()[1], Tokens.of(project.base_dir / "web.json"))
                break
        else:
            raise AssertionError("".join(lines))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.stdout.close()
        process.wait()
