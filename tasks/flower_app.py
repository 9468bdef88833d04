"""Flower behind one door: ``python -m jfcelery.tasks.flower_app``.

Flower's own authentication leaves ``/metrics``, ``/healthcheck`` and static files open. Here
every request is checked before Flower sees it.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hmac
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tornado.web
from flower.app import Flower
from flower.options import options as flower_options
from flower.urls import settings as flower_settings
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from jfcelery.browsing import open_privately
from jfcelery.errors import RunnerError
from jfcelery.project.references import secret_variable
from jfcelery.tasks.runner.flower import ADDRESS, FlowerAccess
from jfcelery.tasks.runner.folder import RunnerFolder
from jfcelery.tasks.runner.member import LOG_FORMAT, Membership, current_project, holding_off
from jfcelery.tasks.runner.quiet import PERIODIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tornado.httputil import HTTPServerRequest

    from jfcelery.project import Project

logger = logging.getLogger(__name__)

#: Celery tasks and workers that Flower remembers; its own default of 100,000 takes 300 MB.
MAX_TASKS, MAX_WORKERS = 10_000, 200
#: Variable with which Flower itself takes the login, as ``user:password``.
LOGIN_VARIABLE = "FLOWER_BASIC_AUTH"
#: Milliseconds that Celery workers get to answer Flower.
INSPECT_TIMEOUT = 2000.0


class Refusal(tornado.web.RequestHandler):
    """What a request without the right login gets."""

    def check_xsrf_cookie(self) -> None:
        """Check nothing: the request is refused anyway."""

    def prepare(self) -> None:
        """Answer 401."""
        self.set_status(401)
        self.set_header("WWW-Authenticate", 'Basic realm="jfcelery"')
        self.finish("Log in with the name and password that `jfc flower` prints.\n")


class GuardedFlower(Flower):  # type: ignore[misc] # Flower has no annotations
    """Flower, every page of it behind the login."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return what leads to Flower's handler, or to the refusal."""
        if not self._may_enter(request):
            return self.get_handler_delegate(request, Refusal)
        return super().find_handler(request, **kwargs)

    def _may_enter(self, request: HTTPServerRequest) -> bool:
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        try:
            login = base64.b64decode(sent, validate=True)
        except (binascii.Error, ValueError):
            return False
        known = [login.encode() for login in self.options.basic_auth]
        return scheme.lower() == "basic" and any(hmac.compare_digest(login, k) for k in known)


def make_flower(project: Project, access: FlowerAccess) -> GuardedFlower:
    """Return Flower for a project, not yet listening."""
    from jfcelery.tasks.sending import sender

    _teach_login_on_socket(project)
    flower_options.basic_auth = [access.login]
    flower_options.max_tasks, flower_options.max_workers = MAX_TASKS, MAX_WORKERS
    flower_options.inspect_timeout = INSPECT_TIMEOUT
    made = GuardedFlower(capp=sender(project).app, options=flower_options, **flower_settings)
    _ignore_periodic_tasks(made)
    return made


def listen(flower: GuardedFlower, access: FlowerAccess, address: str, wanted: int) -> int:
    """Let Flower listen on a free port; return which.

    Args:
        flower: What listens.
        access: Which port it had last.
        address: Address to listen on.
        wanted: The one port to take; 0 for any.

    Raises:
        RunnerError: The port is taken.
    """
    for port in access.ports(wanted):
        try:
            sockets = bind_sockets(port, address=address)
        except OSError as error:
            logger.info("Port %d: %s", port, error.strerror)
            continue
        HTTPServer(flower).add_sockets(sockets)
        return int(sockets[0].getsockname()[1])
    raise RunnerError(f"port {wanted} is taken", remedy="Choose another one, or none.")


def _ignore_periodic_tasks(flower: GuardedFlower) -> None:
    """Let Flower forget that periodic tasks were sent; what they do sends no events."""
    heed = flower.events.on_event

    def on_event(event: dict[str, Any]) -> None:
        if event.get("type") != "task-sent" or event.get("name") not in PERIODIC:
            heed(event)

    flower.events.on_event = on_event


def _teach_login_on_socket(project: Project) -> None:
    """Let Flower's page of queue lengths log in where the broker is on a unix socket.

    Flower 2.2 passes no user name there, and does not understand kombu's form of the address.
    """
    import flower.utils.broker
    from redis.asyncio import Redis

    from jfcelery.services import redis_client

    if not project.uses_embedded_broker:
        return
    known = redis_client(project).connection_pool.connection_kwargs

    class SocketWithLogin(flower.utils.broker.RedisBase):  # type: ignore[misc] # no annotations
        def __init__(self, broker_url: str, *args: Any, **kwargs: Any) -> None:
            super().__init__("redis://", *args, **kwargs)
            del broker_url
            self.redis = Redis(
                unix_socket_path=known["path"],
                username=known["username"],
                password=known["password"],
                socket_timeout=self.socket_timeout,
            )

    flower.utils.broker.RedisSocket = SocketWithLogin


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Flower until a signal comes or the project changes."""
    parser = argparse.ArgumentParser(prog="flower_app")
    parser.add_argument("--name", default="flower", help="its name in the layout")
    parser.add_argument("--folder", type=Path, required=True, help="the runner's folder")
    parser.add_argument("--supervisor", type=int, default=0, help="its parent; 0 if it has none")
    parser.add_argument("--port", type=int, default=0, help="port to take; 0 for any")
    parser.add_argument("--address", default=ADDRESS, help="address to listen on")
    parser.add_argument("--browser", action="store_true", help="open it in a browser")
    options = parser.parse_args(arguments)
    logging.basicConfig(level="INFO", format=LOG_FORMAT)
    membership = Membership(options) if options.supervisor else None
    with holding_off(membership):
        _serve(current_project(), options, membership)
    return 0


def _serve(project: Project, options: argparse.Namespace, membership: Membership | None) -> None:
    from jfcelery.tasks.runner.watcher import Watcher

    path = RunnerFolder(options.folder, options.folder).flower
    access = FlowerAccess.of(path).with_login(secret_variable(LOGIN_VARIABLE))
    flower = make_flower(project, access)
    port = listen(flower, access, options.address, options.port)
    access = access.model_copy(update={"port": port})
    access.save(path)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: flower.io_loop.add_callback_from_signal(flower.stop))
    watcher = Watcher(project, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    watcher.start()
    if membership:
        membership.working()
    else:
        sys.stdout.write(f"Flower: {access.url}\nEnd it with Ctrl-C.\n")
        sys.stdout.flush()
    if options.browser:
        open_privately(access.url, options.folder)
    flower.start()


if __name__ == "__main__":
    sys.exit(main())
