"""Holding back a worker's host, and letting it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.controller.bulk import user_name
from jfcelery.database.hosts import HostRecords

if TYPE_CHECKING:
    from jfcelery.controller import JobController


def hold_back(controller: JobController, worker: str, reason: str = "") -> list[str]:
    """Hold back all steps on a worker's host; return the workers that share it."""
    host = controller.project.get_worker(worker).host_key
    HostRecords(controller.queue).pause(host, reason or f"paused by {user_name()}")
    return list(controller.project.hosts[host])


def let_go_on(controller: JobController, worker: str) -> list[str]:
    """Let the steps on a worker's host go on, at once; return the workers that share it."""
    host = controller.project.get_worker(worker).host_key
    HostRecords(controller.queue).resume(host)
    controller.actions.wake()
    return list(controller.project.hosts[host])


def try_now(controller: JobController, worker: str) -> None:
    """Have a worker's host tried at once, after somebody logged in to it."""
    HostRecords(controller.queue).try_now(controller.project.get_worker(worker).host_key)
    controller.actions.wake()


def held_back(workers: list[str]) -> str:
    """Return the words for workers that are held back now."""
    return f"Held back: {', '.join(workers)}"


def going_on(workers: list[str]) -> str:
    """Return the words for workers that go on now."""
    return f"Going on: {', '.join(workers)}"
