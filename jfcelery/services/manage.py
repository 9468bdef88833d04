"""Starting, finding and stopping the services of a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jfcelery.services import users
from jfcelery.services.broker import BrokerService
from jfcelery.services.database import DatabaseService
from jfcelery.services.endpoints import (
    DATABASE_NAME,
    BrokerEndpoint,
    DatabaseEndpoint,
    Endpoints,
)
from jfcelery.services.external import external_broker, external_database

if TYPE_CHECKING:
    from jfcelery.project import Project
    from jfcelery.services.service import Service


def database_endpoint(project: Project, *, probe: bool = False) -> DatabaseEndpoint:
    """Return where the database is; start it if it is embedded and does not run.

    Args:
        project: The project.
        probe: Also restart an embedded one that does not answer.

    Raises:
        ServiceStartError: It cannot be started.
    """
    if not project.uses_embedded_database:
        return external_database(project)
    service = DatabaseService(project.base_dir, project.log_dir)
    users.register(service.files)
    record = service.ensure(probe=probe)
    return DatabaseEndpoint(service.uri(record), DATABASE_NAME)


def broker_endpoint(project: Project, *, probe: bool = False) -> BrokerEndpoint:
    """Return where the broker is; start it if it is embedded and does not run.

    Args:
        project: The project.
        probe: Also restart an embedded one that does not answer.

    Raises:
        ServiceStartError: It cannot be started.
    """
    if not project.uses_embedded_broker:
        return external_broker(project)
    service = BrokerService(project.base_dir, project.log_dir)
    users.register(service.files)
    record = service.ensure(probe=probe)
    return BrokerEndpoint(service.url(record))


def endpoint(project: Project, *, probe: bool = False) -> Endpoints:
    """Return where database and broker are; start what is embedded and does not run.

    Args:
        project: The project.
        probe: Also restart what is embedded and does not answer.

    Raises:
        ServiceStartError: One of them cannot be started.
    """
    return Endpoints(database_endpoint(project, probe=probe), broker_endpoint(project, probe=probe))


def ensure(project: Project, *, probe: bool = False) -> None:
    """Start what is embedded and does not run.

    Args:
        project: The project.
        probe: Also restart what is embedded and does not answer.

    Raises:
        ServiceStartError: One of them cannot be started.
    """
    if project.uses_embedded_database:
        database_endpoint(project, probe=probe)
    if project.uses_embedded_broker:
        broker_endpoint(project, probe=probe)


def _embedded(project: Project) -> list[Service]:
    services: list[Service] = []
    if project.uses_embedded_broker:
        services.append(BrokerService(project.base_dir, project.log_dir))
    if project.uses_embedded_database:
        services.append(DatabaseService(project.base_dir, project.log_dir))
    return services


def stop(project: Project) -> list[str]:
    """Stop what is embedded, and return the names of what ran."""
    return [service.name for service in _embedded(project) if service.stop()]


def in_use(project: Project) -> bool:
    """Return whether another process, here, uses the embedded services of a project."""
    for service in _embedded(project)[:1]:
        with users.alone(service.files) as alone:
            return not alone
    return False


def stop_if_unused(project: Project) -> list[str]:
    """Stop what is embedded unless another process uses it; return the names of what ran."""
    for service in _embedded(project)[:1]:
        with users.alone(service.files) as alone:
            return stop(project) if alone else []
    return []


@dataclass(frozen=True)
class ServiceStatus:
    """State of one service.

    Args:
        name: ``database`` or ``broker``.
        embedded: Whether jfcelery runs it.
        running: Whether it runs, as far as can be told without asking it; None if external.
        address: Where it is, without secrets.
        pid: Its process, if it is embedded and runs.
        host: The machine on which it was started last, if embedded.
        log: Its log file, if embedded.
    """

    name: str
    embedded: bool
    running: bool | None = None
    address: str = ""
    pid: int | None = None
    host: str = ""
    log: str = ""


def status(project: Project) -> list[ServiceStatus]:
    """Return what runs where; start nothing, connect to nothing."""
    found = [_status_of(service) for service in _embedded(project)]
    if not project.uses_embedded_database:
        database = external_database(project)
        found.append(ServiceStatus("database", embedded=False, address=_bare(database.uri)))
    if not project.uses_embedded_broker:
        broker = external_broker(project)
        found.append(ServiceStatus("broker", embedded=False, address=_bare(broker.url)))
    return sorted(found, key=lambda one: one.name)


def _status_of(service: Service) -> ServiceStatus:
    record, running = service.record(), service.running()
    return ServiceStatus(
        name=service.name,
        embedded=True,
        running=running is not None,
        address=record.address if record else "",
        pid=running.process.pid if running else None,
        host=record.host if record else "",
        log=str(service.files.log),
    )


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
