"""maggma stores and JobStores of the project file: check them, build them.

Importing maggma takes a second, so what is plainly right is recognised by a table; whatever the
table does not know is decided by maggma itself.
"""

from __future__ import annotations

import inspect
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from jfcelery.project.address import REMEDY, is_plain_address
from jfcelery.project.masking import redact
from jfcelery.project.model import problem_at
from jfcelery.project.mongo import database_in, is_direct, mongo_target, plain_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobflow.core.store import JobStore
    from maggma.core import Store

from jfcelery.project.mongo import MongoTarget

_STORE = {"key", "last_updated_field", "last_updated_type"}
_LOGIN = {"database", "collection_name", "host", "port", "username", "password", "auth_source",
          "mongoclient_kwargs", "uri"}  # fmt: skip
#: Arguments of the usual stores that maggma takes for sure, and those it insists on.
_KNOWN: dict[str, tuple[set[str], set[str]]] = {
    "MongoStore": (_STORE | _LOGIN | {"safe_update"}, {"database", "collection_name"}),
    "MongoURIStore": (_STORE | {"uri", "database", "collection_name"},
                      {"uri", "database", "collection_name"}),
    "GridFSStore": (_STORE | _LOGIN | {"compression", "ensure_metadata", "searchable_fields"},
                    {"database", "collection_name"}),
    "GridFSURIStore": (_STORE | {"uri", "database", "collection_name"},
                       {"uri", "database", "collection_name"}),
    "MemoryStore": (_STORE | {"collection_name"}, set()),
}  # fmt: skip
#: Stores that newer versions of maggma have merged into others, which take a ``uri`` too.
_MERGED = {"MongoURIStore": "MongoStore", "GridFSURIStore": "GridFSStore"}
#: Arguments that are texts.
_TEXTS = {"database", "collection_name", "host", "username", "password", "auth_source", "uri"}
#: Those that may be addresses with a login.
_ADDRESSES = {"host", "uri"}
#: What the address of a MongoDB begins with.
_MONGO_SCHEMES = ("mongodb://", "mongodb+srv://")
#: Keys of a JobStore's spec.
_JOBSTORE_KEYS = {"docs_store", "additional_stores", "save", "load"}
#: Stores that maggma derives from MongoStore but that live in one process or in files.
_NOT_SHARED = ("MemoryStore", "JSONStore", "FileStore", "MontyStore")


def check_queue_store(spec: dict[str, Any]) -> dict[str, Any]:
    """Check that a store may hold the queue: MongoDB, reachable from other processes.

    Raises:
        PydanticCustomError: It may not; the text holds the remedy.
    """
    _check_arguments(spec, "")
    if not spec or (is_direct(spec) and "GridFS" not in plain_spec(spec)[0] and _is_known(spec)):
        return spec
    from maggma.stores import MongoStore

    store = _checked(spec, "")
    classes = {cls.__name__ for cls in type(store).__mro__}
    if not isinstance(store, MongoStore) or classes.intersection(_NOT_SHARED):
        raise problem_at("type", f"a {type(store).__name__} cannot hold the queue; "
                       "use a MongoStore or MongoURIStore")  # fmt: skip
    return spec


def check_jobstore(spec: dict[str, Any]) -> dict[str, Any]:
    """Check that maggma and jobflow know the stores of a JobStore.

    Raises:
        PydanticCustomError: They do not; the text holds the remedy.
    """
    if not spec:
        return spec
    if "docs_store" not in spec:
        raise problem_at("docs_store", "missing; give the store of the output documents, e.g. "
                       "{type: MongoStore, database: ..., collection_name: outputs}")  # fmt: skip
    unknown = {k for k in spec if not k.startswith("@")} - _JOBSTORE_KEYS
    if unknown:
        name = min(unknown)
        raise problem_at(name, f"unknown key{_near(name, _JOBSTORE_KEYS)}")
    additional = spec.get("additional_stores") or {}
    if not isinstance(additional, dict):
        raise problem_at("additional_stores", "not a mapping; write a name for each store")
    stores = {"docs_store": spec["docs_store"]}
    stores |= {f"additional_stores.{name}": store for name, store in additional.items()}
    for path, store in stores.items():
        if not isinstance(store, dict):
            raise problem_at(path, "not a store; give a mapping with its `type` and arguments")
        _check_arguments(store, path)
        if not _is_known(store):
            _checked(store, path)
    return spec


def _check_arguments(spec: Mapping[str, Any], path: str) -> None:
    """Check the arguments that maggma hands on to pymongo as they are."""
    if not is_direct(spec):
        return
    for key, value in plain_spec(spec)[1].items():
        where = ".".join(filter(None, (path, key)))
        if key in _TEXTS and not isinstance(value, str | None):
            raise problem_at(where, "not a text; put it in quotes")
        if key == "port" and not isinstance(value, int | None):
            raise problem_at(where, "not a number; write e.g. 27017")
        if key == "uri" and isinstance(value, str) and not value.startswith(_MONGO_SCHEMES):
            text = "not the address of a MongoDB; write mongodb://HOST:PORT/DATABASE"
            raise problem_at(where, text)
        if key in _ADDRESSES and "://" in str(value) and not is_plain_address(str(value)):
            raise problem_at(where, REMEDY)


def build_store(spec: Mapping[str, Any]) -> Store:
    """Build the maggma store that a spec describes; it is not connected."""
    name, arguments = plain_spec(spec)
    if name in _MERGED and _is_maggmas(spec):
        name = _MERGED[name] if _takes_uri() else name
        arguments["database"] = _database_of(arguments)
    elif "@class" in spec and "@module" in spec:
        return _decoded(spec)
    built: dict[str, Any] = {
        key: build_store(value) if isinstance(value, dict) and "type" in value else value
        for key, value in arguments.items()
    }
    made: Store = _store_class(name)(**built)
    return made


def _database_of(arguments: Mapping[str, Any]) -> str | None:
    # maggma would find it as well, but asks the name servers about a mongodb+srv:// address first.
    return arguments.get("database") or database_in(arguments.get("uri")) or None


def _takes_uri() -> bool:
    """Return whether this maggma's MongoStore takes a ``uri``, as it does from some 0.7x on."""
    from maggma.stores import MongoStore

    return "uri" in inspect.signature(MongoStore.__init__).parameters


def _decoded(spec: Mapping[str, Any]) -> Store:
    from maggma.core import Store
    from monty.json import MontyDecoder

    decoded = MontyDecoder().process_decoded(dict(spec))
    if not isinstance(decoded, Store):
        name = f"{spec['@module']}.{spec['@class']}"
        raise problem_at("@class", f"{name} is no maggma store, or cannot be imported here")
    return decoded


def build_jobstore(spec: Mapping[str, Any]) -> JobStore:
    """Build the JobStore that a spec describes; it is not connected."""
    from jobflow.core.store import JobStore
    from monty.json import MontyDecoder

    rules = {key: spec[key] for key in ("save", "load") if key in spec}
    additional = spec.get("additional_stores") or {}
    return JobStore(
        build_store(spec["docs_store"]),
        {name: build_store(store) for name, store in additional.items()},
        **MontyDecoder().process_decoded(rules),
    )


def default_jobstore_spec(target: MongoTarget) -> dict[str, Any]:
    """Return the JobStore in the queue's own database, its blobs in GridFS.

    Args:
        target: Where the queue lies.
    """
    if target.uri is not None:
        place: dict[str, Any] = {"uri": target.uri, "database": target.database}
    else:
        place = {
            "database": target.database,
            "host": target.host,
            "port": target.port,
            "username": target.username,
            "password": target.password,
            "auth_source": target.auth_source,
            "ssh_tunnel": target.ssh_tunnel,
        }
    place["mongoclient_kwargs"] = dict(target.client_kwargs)
    return {
        "docs_store": {"type": "MongoStore", "collection_name": "outputs", **place},
        "additional_stores": {
            "data": {"type": "GridFSStore", "collection_name": "outputs_blobs", **place}
        },
    }


def jobstore_target(spec: Mapping[str, Any]) -> MongoTarget | None:
    """Return where a JobStore's documents lie, None where that is not MongoDB for sure."""
    docs = spec.get("docs_store")
    return mongo_target(docs) if isinstance(docs, dict) and is_direct(docs) else None


def _is_known(spec: Mapping[str, Any]) -> bool:
    name, arguments = plain_spec(spec)
    if not _is_maggmas(spec):
        return False
    if name in _MERGED:
        arguments = {**arguments, "database": _database_of(arguments)}
    accepted, needed = _KNOWN.get(name, (set(), {""}))
    nested = any(isinstance(v, dict) and {"type", "@class"} & set(v) for v in arguments.values())
    given = {key for key, value in arguments.items() if value is not None}
    return not nested and needed <= given and set(arguments) <= accepted


def _is_maggmas(spec: Mapping[str, Any]) -> bool:
    return str(spec.get("@module", "maggma.stores")).startswith("maggma.stores")


def _store_class(name: str) -> Any:
    import maggma.stores
    from maggma.stores.ssh_tunnel import SSHTunnel

    classes: dict[str, Any] = {"SSHTunnel": SSHTunnel}
    waiting: list[Any] = [maggma.stores.Store]
    while waiting:
        for sub in waiting.pop().__subclasses__():
            classes[sub.__name__] = sub
            waiting.append(sub)
    if name not in classes:
        raise problem_at("type", f"maggma has no store {name!r}{_near(name, classes)}")
    return classes[name]


def _checked(spec: Mapping[str, Any], path: str) -> Store:
    """Build a store to see whether it can be built."""
    try:
        return build_store(spec)
    except PydanticCustomError as error:
        inner = (error.context or {}).get("path", "")
        raise problem_at(".".join(filter(None, (path, inner))), error.message()) from None
    # Each store is another class with its own checks: whatever they raise means the same here.
    except Exception as error:  # noqa: BLE001
        raise _refused(spec, path, error) from None


def _refused(spec: Mapping[str, Any], path: str, error: Exception) -> PydanticCustomError:
    name, arguments = plain_spec(spec)
    text = redact(" ".join(str(error).split()), spec)
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", text)
    if unexpected:
        key = unexpected[1]
        accepted = _KNOWN.get(name, (set(arguments), set()))[0]
        return problem_at(".".join(filter(None, (path, key))),
                        f"{name} has no such argument{_near(key, accepted - {key})}")  # fmt: skip
    return problem_at(path, f"maggma cannot make a {name or 'store'} of it: {text}; "
                    "see maggma's documentation for its arguments")  # fmt: skip


def _near(name: str, candidates: Any) -> str:
    near = get_close_matches(name, list(candidates), n=1)
    known = f"one of {', '.join(sorted(candidates))}"
    return f"; did you mean {near[0]!r}?" if near else f"; known: {known}"
