"""Database and broker of a project: embedded ones are started on first need, by anyone.

endpoint(project)        where they are; what is embedded runs when this returns
ensure(project)          only the latter; ``probe=True`` restarts what does not answer
stop(project)            stop what is embedded
stop_if_unused(project)  the same, if no other process uses it
status(project)          what runs where; starts nothing
redis_client(project)    a client of the broker
check_broker(project)    raise BrokerUnavailableError, in one line, unless it answers
"""

from __future__ import annotations

from jfcelery.services.broker import BrokerService
from jfcelery.services.client import check_broker, redis_client
from jfcelery.services.database import DatabaseService
from jfcelery.services.endpoints import (
    DATABASE_NAME,
    BrokerEndpoint,
    DatabaseEndpoint,
    Endpoints,
)
from jfcelery.services.manage import (
    ServiceStatus,
    broker_endpoint,
    database_endpoint,
    endpoint,
    ensure,
    in_use,
    status,
    stop,
    stop_if_unused,
)

__all__ = [
    "DATABASE_NAME",
    "BrokerEndpoint",
    "BrokerService",
    "DatabaseEndpoint",
    "DatabaseService",
    "Endpoints",
    "ServiceStatus",
    "broker_endpoint",
    "check_broker",
    "database_endpoint",
    "endpoint",
    "ensure",
    "in_use",
    "redis_client",
    "status",
    "stop",
    "stop_if_unused",
]
