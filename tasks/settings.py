"""Celery's settings, and why they are so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jfcelery.services import BrokerEndpoint

#: Seconds after which Redis gives a message that nobody acknowledged to somebody else.
VISIBILITY_TIMEOUT = 3600


def celery_settings(broker: BrokerEndpoint) -> dict[str, Any]:
    """Return the settings of a project's Celery app.

    Args:
        broker: Where Redis is.
    """
    return {
        "broker_url": broker.url,
        "broker_use_ssl": dict(broker.ssl) if broker.ssl else None,
        # Only JSON goes in or out: a message can never run code.
        "task_serializer": "json",
        "accept_content": ["json"],
        "event_serializer": "json",
        # MongoDB is the truth; results in Redis would only be a second one.
        "result_backend": None,
        "task_ignore_result": True,
        # Early acknowledgement: celery 5.7 dies when Redis goes away while a late-acknowledged
        # task runs, and a blip of the connection starts such a task twice. With leases nothing
        # is lost by it: a killed worker's steps come back when their leases end.
        "task_acks_late": False,
        "worker_disable_prefetch": True,
        "worker_prefetch_multiplier": 1,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_keepalive": True,
            "socket_connect_timeout": 5,
            "socket_timeout": 20,
            "health_check_interval": 25,
            "global_keyprefix": broker.key_prefix,
            "priority_steps": [0, 3, 6, 9],
            "queue_order_strategy": "round_robin",
        },
        "task_publish_retry_policy": {
            "max_retries": 5,
            "interval_start": 0,
            "interval_step": 0.5,
            "interval_max": 2,
        },
        # Threads: paramiko connections break when a process forks, and cost a fifth of the memory.
        "worker_pool": "threads",
        "worker_concurrency": 16,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "task_default_queue": "jfc.unrouted",
        # The shelve file of the default scheduler can be damaged; every beat task is idempotent.
        "beat_scheduler": "celery.beat:Scheduler",
        "beat_max_loop_interval": 5,
        "enable_utc": True,
    }
