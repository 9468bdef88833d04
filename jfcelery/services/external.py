"""Database and broker that somebody else runs: as the project file describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.errors import ProjectInvalidError
from jfcelery.services.endpoints import BrokerEndpoint, DatabaseEndpoint

if TYPE_CHECKING:
    from jfcelery.project import Project
    from jfcelery.project.broker import TLSConfig

_URI_SCHEMES = ("mongodb://", "mongodb+srv://")


def external_database(project: Project) -> DatabaseEndpoint:
    """Return where the store of a project's ``queue`` section is.

    Raises:
        ProjectInvalidError: Only maggma could reach it.
    """
    target = project.queue.target if project.queue else None
    if target is None or not target.database:
        raise ProjectInvalidError(
            "queue.store: the name of the database is missing", remedy="Add 'database: NAME'."
        )
    if target.ssh_tunnel:
        raise ProjectInvalidError(
            "queue.store.ssh_tunnel: the queue cannot be reached through maggma's tunnel",
            remedy="Open it outside (ssh -N -L PORT:HOST:27017 …, or autossh), and write "
            "'host: localhost' and 'port: PORT'.",
        )
    arguments = dict(target.client_arguments)
    host, port = str(arguments.pop("host")), arguments.pop("port", None)
    if not host.startswith(_URI_SCHEMES):
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        host = f"mongodb://{host}:{port}/"
    return DatabaseEndpoint(host, target.database, arguments)


def external_broker(project: Project) -> BrokerEndpoint:
    """Return where the broker of a project's ``broker`` section is.

    Raises:
        ProjectInvalidError: There is no such section.
    """
    broker = project.broker
    if broker is None:
        raise ProjectInvalidError("broker: missing", remedy="Add 'broker: {url: redis://…}'.")
    url = broker.url
    ssl = _tls(broker.tls) if url.startswith("rediss://") else None
    return BrokerEndpoint(url=url, key_prefix=broker.key_prefix, ssl=ssl)


def _tls(tls: TLSConfig | None) -> dict[str, Any]:
    """Return TLS options under the names that both redis-py and Celery take."""
    options: dict[str, Any] = {"ssl_cert_reqs": "required"}
    if tls is not None:
        files = {"ca_certs": tls.ca_certs, "certfile": tls.certfile, "keyfile": tls.keyfile}
        options |= {f"ssl_{name}": str(path) for name, path in files.items() if path}
        options["ssl_check_hostname"] = tls.check_hostname
    return options
