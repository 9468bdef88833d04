"""The servers' programs: where they are found, what is said where there is none that will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery import services
from jfcelery.errors import ServiceStartError
from jfcelery.services import binaries

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.project import Project


def test_missing_program_names_the_extra(
    embedded: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the servers' programs the error says what to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(binaries, "DATABASE_PROGRAMS", ("no-such-program",))
    monkeypatch.setattr(binaries, "BROKER_PACKAGES", ())
    for start in (services.database_endpoint, services.broker_endpoint):
        with pytest.raises(ServiceStartError, match="installed") as caught:
            start(embedded)
        assert "\n" not in caught.value.message
        assert "pip install 'jfcelery[embedded]'" in caught.value.remedy


def test_old_redis_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that knows no users is not taken, and named if there is nothing else."""
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=00000000:0 malloc=jemalloc'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "BROKER_PACKAGES", ())
    with pytest.raises(ServiceStartError, match=f"{old} is too old"):
        binaries.find_broker()


def test_packaged_broker_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PATH has no server, the one inside a pip package is taken."""
    found = binaries.find_broker()
    program = tmp_path / "some_package" / "bin" / "valkey-server"
    program.parent.mkdir(parents=True)
    (tmp_path / "some_package" / "__init__.py").touch()
    program.write_text(f'#!/bin/sh\nexec {found} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/nowhere")
    monkeypatch.syspath_prepend(str(tmp_path))
    packages = (("no_such_package", "bin/x"), ("some_package", "bin/valkey-server"))
    monkeypatch.setattr(binaries, "BROKER_PACKAGES", packages)
    assert binaries.find_broker() == program


def test_server_that_ends_at_once_is_quoted(
    embedded: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server said last is in the error, and where its log is."""
    broken = tmp_path / "secantusd-rs"
    broken.write_text("#!/bin/sh\necho 'error: no space left on device'; echo bye\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(binaries, "_site_folders", list)
    monkeypatch.setattr(binaries, "_database_candidates", lambda: iter([broken]))
    with pytest.raises(ServiceStartError, match="no space left on device") as caught:
        services.database_endpoint(embedded)
    assert "\n" not in caught.value.message
    assert caught.value.remedy.startswith("Free some space")
    assert str(embedded.log_dir / "database.log") in caught.value.remedy
