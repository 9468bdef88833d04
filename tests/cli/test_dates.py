"""Jobs and flows chosen by when they changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.calling import Jfc
    from tests.support.queued import MakeFlow, Queued


def changed_at(flow: Queued, moment: datetime) -> None:
    """Have a flow and its jobs be changed last at some time."""
    last = {"$set": {"updated_on": moment}}
    flow.queue.jobs.update_many({"flow": flow.flow}, last)
    flow.queue.flows.update_one({"_id": flow.flow}, last)


@pytest.mark.parametrize("noun", ["job", "flow"])
def test_dates_choose_what_changed_before_or_after(
    jfc: Jfc, make_flow: MakeFlow, noun: str
) -> None:
    """Of two, one is chosen by each bound, both by a wide interval, none by one between them."""
    changed_at(make_flow({"old": []}, name="old"), datetime.now(UTC) - timedelta(days=3))
    make_flow({"new": []}, name="new")

    def names(*args: str) -> set[str]:
        return {row["name"] for row in jfc(noun, "list", "--json", *args).data}

    def ago(days: int) -> str:
        moment = datetime.now().astimezone() - timedelta(days=days)
        return moment.strftime("%Y-%m-%dT%H:%M:%S")

    assert names("-sdate", ago(2)) == {"new"}
    assert names("-edate", ago(2)) == {"old"}
    assert names("-sdate", ago(4)) == {"old", "new"}
    assert names("-sdate", ago(4), "-edate", ago(2)) == {"old"}
    assert names("-sdate", ago(2), "-edate", ago(1)) == set()
    assert names("-ds", "2") == names("-hs", "71") == {"new"}
    assert names("-ds", "4") == names("-hs", "73") == {"old", "new"}


@pytest.mark.usefixtures("tokyo")
def test_dates_are_those_of_the_persons_clock(jfc: Jfc, make_flow: MakeFlow) -> None:
    """What changed at 23:30 in UTC changed the next morning in Tokyo, and is chosen so."""
    changed_at(make_flow({"a": []}), datetime(2026, 3, 1, 23, 30, tzinfo=UTC))

    def number(*args: str) -> int:
        count: int = jfc("job", "list", "--count", "--json", *args).data["count"]
        return count

    assert number("-sdate", "2026-03-02") == 1
    assert number("-edate", "2026-03-02") == 0
    assert number("-sdate", "2026-03-02T08:30:00") == number("-edate", "2026-03-02T08:30:00") == 1
    assert number("-sdate", "2026-03-02T08:31:00") == number("-edate", "2026-03-02T08:29:00") == 0
