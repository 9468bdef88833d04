"""Listening: on this machine only, unless something protects what goes over the network."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.errors import InputError, RunnerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fastapi import FastAPI

#: Port that is taken where it is free.
USUAL_PORT = 8470
#: Names of this machine's own loopback interface.
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where and how to listen.

    Args:
        address: Address to listen on.
        port: Port to take; 0 for the usual one, or any that is free.
        certificate: Certificate for TLS, with its chain.
        key: Its private key.
        insecure: Whether to listen elsewhere without TLS.
    """

    address: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InputError("A certificate needs its key, and a key its certificate.")
        if not (self.is_loopback or self.certificate or self.insecure):
            raise InputError(
                f"On {self.address}, passwords and tokens would go over the network unprotected.",
                remedy="Give --certificate and --key, or forward the port by SSH; behind a proxy "
                "that speaks TLS, say --insecure.",
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.address == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names by which browsers may call the server; empty for any."""
        return (*LOOPBACK, self.address) if self.is_loopback else ()

    def url(self, port: int) -> str:
        """Return the address for a browser."""
        scheme = "https" if self.certificate else "http"
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{scheme}://{host}:{port}"

    def bind(self) -> socket.socket:
        """Return a socket that listens.

        Raises:
            RunnerError: The port is taken, or the address is not this machine's.
        """
        why = ""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        for port in (self.port,) if self.port else (USUAL_PORT, 0):
            made = socket.socket(family, socket.SOCK_STREAM)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                made.bind((self.address, port))
                made.listen(128)
            except OSError as error:
                made.close()
                why = error.strerror or str(error)
                continue
            return made
        raise RunnerError(
            f"cannot listen on {self.address}, port {self.port}: {why}",
            remedy="Choose another one with --port and --address.",
        )


def serve(app: FastAPI, listening: Listening, ready: Callable[[str], None]) -> None:
    """Serve an application until a signal comes.

    Args:
        app: The application.
        listening: Where and how.
        ready: Called with the address once it listens.
    """
    import uvicorn

    bound = listening.bind()
    config = uvicorn.Config(
        app,
        log_level="warning",
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.key,
        timeout_graceful_shutdown=3,
        lifespan="on",
    )
    ready(listening.url(bound.getsockname()[1]))
    with bound:
        uvicorn.Server(config).run(sockets=[bound])
