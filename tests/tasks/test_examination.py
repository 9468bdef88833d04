"""The examination goes to its end, whatever happens meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.tasks.doctor import examine, runner
from tests.support.servers import redis_server

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.projects import ProjectFactory


def test_a_redis_that_goes_in_the_middle_is_named(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no defect of ours to be reported; what comes after it is looked at all the same."""
    with redis_server(tmp_path) as server:
        project = make_project(broker={"url": server.url})

        def check_and_end(_: object) -> None:
            server.process.kill()
            server.process.wait()

        monkeypatch.setattr(runner, "check_broker", check_and_end)
        found = list(examine(project, reach_workers=False))
    (one,) = (finding for finding in found if finding.subject == "runner")
    assert one.text.startswith("Redis does not answer: ")
    assert one.remedy == "See: jfc runner status"
    assert found[-1] is not one
