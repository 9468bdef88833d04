"""Talking to the broker without Celery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from jfcelery.errors import BrokerUnavailableError
from jfcelery.services.manage import broker_endpoint

if TYPE_CHECKING:
    import redis

    from jfcelery.project import Project
    from jfcelery.services.endpoints import BrokerEndpoint

#: Seconds to wait for a connection, and for an answer.
TIMEOUT_SECONDS = 5.0
#: Times that a command is tried again after the connection broke (a pooled one may be stale).
RETRIES = 1
_SOCKET_SCHEME = "redis+socket"


def redis_client(project: Project) -> redis.Redis:
    """Return a client of the broker; start the broker if it is embedded and does not run.

    Keys must begin with the ``key_prefix`` of the endpoint.
    """
    return client_of(broker_endpoint(project))


def client_of(endpoint: BrokerEndpoint) -> redis.Redis:
    """Return a client of the broker at an endpoint; nothing is sent yet."""
    import redis  # costs 0.1 s
    from redis.backoff import ExponentialBackoff
    from redis.retry import Retry

    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT_SECONDS,
        "retry": Retry(ExponentialBackoff(), RETRIES),
        **(endpoint.ssl or {}),
    }
    parts = urlsplit(endpoint.url)
    if parts.scheme == _SOCKET_SCHEME:
        return redis.Redis(
            unix_socket_path=unquote(parts.path),
            username=unquote(parts.username or "") or None,
            password=unquote(parts.password or "") or None,
            **options,
        )
    client: redis.Redis = redis.Redis.from_url(
        endpoint.url, socket_connect_timeout=TIMEOUT_SECONDS, **options
    )
    return client


def check_broker(project: Project) -> None:
    """Check that the broker answers; restart an embedded one that does not.

    Raises:
        BrokerUnavailableError: It does not answer.
        ServiceStartError: It is embedded and cannot be started.
    """
    import redis  # costs 0.1 s

    try:
        with client_of(broker_endpoint(project, probe=True)) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise BrokerUnavailableError(
            f"The broker of project {project.name!r} does not answer: {_line(error)}",
            remedy=_remedy(error),
        ) from error


def _remedy(error: BaseException) -> str:
    import redis

    if isinstance(error, redis.AuthenticationError):
        return "Check user and password in 'broker.url' of the project file."
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "Name the file of its certificate's authority: 'broker.tls.ca_certs'."
    return "Check 'broker' in the project file, and that the Redis server runs."


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
