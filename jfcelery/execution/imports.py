"""Import jobflow without the cloud libraries that it does not need to run a job.

``import jobflow`` imports all of maggma's stores, and with them boto3 (for S3), paramiko (for SSH
tunnels) and mongomock (for stores in memory): a third of the second that each job pays before it
starts. A job that does use them gets them at first use.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


#: What maggma imports and a job seldom needs; which mongomock, depends on maggma's version.
_DEFERRED = ("paramiko", "mongomock", "mongomock_ng")
#: maggma's module that imports paramiko, and names its classes in annotations at import.
_TUNNEL = "maggma.stores.ssh_tunnel"


class _Deferred(ModuleType):
    """Stands for a module until something is asked of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys._getframe(1).f_globals.get("__name__") == _TUNNEL and _is_importing(_TUNNEL):  # noqa: SLF001  # the only way to know who asks
            return object  # for an annotation
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def _is_importing(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def import_jobflow() -> None:
    """Import jobflow, leaving out what it does not need unless that is already there."""
    if "maggma.stores" not in sys.modules:
        with _left_out({"boto3": None, **{name: _Deferred(name) for name in _DEFERRED}}):
            _import_stores()
    importlib.import_module("jobflow")


def _import_stores() -> None:
    try:
        importlib.import_module("maggma.stores")
    except (ImportError, AttributeError):
        # A maggma that needs one of them at import: take all of it, slowly but surely.
        for name in [m for m in sys.modules if m == "maggma" or m.startswith("maggma.")]:
            del sys.modules[name]
        return
    _complete_s3_at_first_use()


@contextmanager
def _left_out(stand_ins: dict[str, ModuleType | None]) -> Iterator[None]:
    """Let modules be replaced while others are imported; None makes their import fail."""
    chosen = {name: stand_in for name, stand_in in stand_ins.items() if name not in sys.modules}
    sys.modules.update(chosen)  # type: ignore[arg-type]  # None is what the import system wants
    try:
        yield
    finally:
        for name, stand_in in chosen.items():
            if name in sys.modules and sys.modules[name] is stand_in:
                del sys.modules[name]


def _complete_s3_at_first_use() -> None:
    """Give maggma's S3Store what it would have imported, when the first one is made."""
    aws = sys.modules.get("maggma.stores.aws")
    store = getattr(aws, "S3Store", None)
    if aws is None or store is None or getattr(aws, "boto3", None) is not None:
        return
    construct = store.__init__

    def complete(self: object, *args: object, **kwargs: object) -> None:
        store.__init__ = construct
        names = vars(aws)
        try:
            names["boto3"] = importlib.import_module("boto3")
            names["botocore"] = importlib.import_module("botocore")
            names["Session"] = importlib.import_module("boto3.session").Session
            names["ClientError"] = importlib.import_module("botocore.exceptions").ClientError
        except ImportError:
            names["boto3"] = None  # not installed: maggma says so itself
        construct(self, *args, **kwargs)

    complete.__wrapped__ = construct  # type: ignore[attr-defined]  # for inspect.signature
    store.__init__ = complete
