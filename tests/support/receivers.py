"""Who gets notifications: a web server and a mail server, real ones, in this process."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import UnthreadedController

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Post:
    """A web server that takes messages.

    Args:
        url: Its address, as apprise writes it.
        messages: What came, as JSON.
        status: What it answers.
        hold: While it is clear, it does not answer.
    """

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    hold: threading.Event = field(default_factory=threading.Event)

    def texts(self) -> list[str]:
        """Return title and text of what came, and forget it."""
        came, self.messages = self.messages, []
        return [f"{message['title']}\n{message['message']}" for message in came]


@contextmanager
def web_post(password: str) -> Iterator[Post]:
    """Run a web server that takes messages, at an address with a password."""
    post = Post()
    post.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            post.hold.wait(60)
            if post.status == 200:
                post.messages.append(json.loads(body))
            self.send_response(post.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - of the base class
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    post.url = f"json://me:{password}@127.0.0.1:{server.server_port}/?cto=10&rto=10"
    try:
        yield post
    finally:
        post.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Box:
    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content)
        parts = [p for p in mail.walk() if p.get_content_type().startswith("text/")]
        bodies = [p.get_payload(decode=True) for p in parts]
        texts = [body.decode() for body in bodies if isinstance(body, bytes)]
        self.mails.append("\n".join([str(mail["Subject"]), *envelope.rcpt_tos, *texts]))
        return "250 taken"


@contextmanager
def mail_server() -> Iterator[tuple[str, list[str]]]:
    """Run a mail server; give its address, as apprise writes it, and the mails that came."""
    import asyncio

    box, loop = _Box(), asyncio.new_event_loop()
    controller = UnthreadedController(box, "127.0.0.1", 0, loop=loop)
    server = loop.run_until_complete(controller._create_server())
    assert isinstance(server, asyncio.Server)
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    host = "127.0.0.1"
    url = f"mailto://{host}:{port}?from=jfc@example.org&to=me@example.org&smtp={host}"
    try:
        yield url, box.mails
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
