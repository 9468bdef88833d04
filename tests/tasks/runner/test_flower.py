"""Who may look at Flower."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.tasks.runner.flower import USUAL_PORT, FlowerAccess

if TYPE_CHECKING:
    from pathlib import Path


def test_generated_once(tmp_path: Path) -> None:
    """The password is generated at first need and stays; only its owner may read it."""
    path = tmp_path / "flower.json"
    first = FlowerAccess.of(path)
    assert FlowerAccess.of(path) == first
    assert len(first.password) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert FlowerAccess.of(tmp_path / "other.json").password != first.password


def test_not_shown(tmp_path: Path) -> None:
    """The password is in no representation."""
    access = FlowerAccess.of(tmp_path / "flower.json")
    assert access.password not in repr(access)


def test_damaged(tmp_path: Path) -> None:
    """A damaged file is made anew."""
    path = tmp_path / "flower.json"
    path.write_text("{")
    assert FlowerAccess.of(path) == FlowerAccess.of(path)


def test_ports() -> None:
    """A wanted port is the only one; else the last one, the usual one, any."""
    assert FlowerAccess(port=7001).ports(8000) == [8000]
    assert FlowerAccess(port=7001).ports(0) == [7001, USUAL_PORT, 0]
    assert FlowerAccess().ports(0) == [USUAL_PORT, 0]


def test_given_login() -> None:
    """A login that somebody gives is used; whatever is in it, the address stays one."""
    access = FlowerAccess(port=5555).with_login("me:p@ss/w:rd")
    assert access.login == "me:p@ss/w:rd"
    assert access.url == "http://me:p%40ss%2Fw%3Ard@127.0.0.1:5555/"
    assert FlowerAccess().with_login("nonsense").user == "jfcelery"
