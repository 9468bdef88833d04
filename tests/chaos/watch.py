"""Looks at leases while all runs: none may outlive its owner by more than its term."""

from __future__ import annotations

import platform
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.chaos.observer import SLACK

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds between two looks.
INTERVAL = 1.0
#: Milliseconds to wait for the database.
PATIENCE = 2000


class LeaseWatch:
    """Reads the leases from the database again and again.

    Args:
        address: Returns the database's URI and name; None while it does not run.
        term: Seconds for which a lease lasts.
    """

    def __init__(self, address: Callable[[], tuple[str, str] | None], term: float) -> None:
        self._address, self._term = address, timedelta(seconds=term + SLACK)
        self._over = threading.Event()
        self._dead: dict[str, datetime] = {}
        self.looks = 0
        self.wrong: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        """Look, from now on."""
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(INTERVAL):
            try:
                self._look()
            except PyMongoError:
                continue  # it is killed and frozen all the time

    def _look(self) -> None:
        found = self._address()
        if found is None:
            return
        with MongoClient[dict[str, Any]](
            found[0], serverSelectionTimeoutMS=PATIENCE, socketTimeoutMS=PATIENCE
        ) as client:
            now = client.admin.command("hello")["localTime"]
            held = client[found[1]].jobs.find({"lock_id": {"$ne": None}})
            self.judge(list(held), now)
        self.looks += 1

    def judge(self, held: list[dict[str, Any]], now: datetime) -> None:
        """Compare leases with what lives.

        Args:
            held: Documents of jobs under lease.
            now: The database's time when they were read.
        """
        for job in held:
            owner, until = job["lock_id"], job["lock_until"]
            if lives(owner):
                continue
            died = self._dead.setdefault(owner, now)
            if until - died > self._term:
                self.wrong.append(f"{job['_id']}: {owner} died at {died}, holds until {until}")


def lives(owner: str) -> bool:
    """Return whether the owner of a lease, ``HOST:PID:THREAD``, lives."""
    host, pid, thread = owner.rsplit(":", 2)
    if host != platform.node():
        return True
    try:
        state = Path(f"/proc/{pid}/task/{thread}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"
