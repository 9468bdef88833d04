"""Outputs in the place of references to them, as plain data.

jobflow's own way decodes whatever it resolves, and so imports each class that an output names. An
output comes from a worker's host; here it is read where the runner and the web server are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobflow import JobStore


class References:
    """Puts outputs of a JobStore in the place of references to them.

    Args:
        store: The JobStore, connected.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._outputs: dict[str, Any] = {}

    def resolved(self, item: Any, above: frozenset[str] = frozenset()) -> Any:
        """Return data without references; one that leads nowhere, or in a circle, stays.

        Args:
            item: Data, such as an output.
            above: Uuids of the jobs whose outputs it is a part of.
        """
        if isinstance(item, dict):
            if item.get("@class") == "OutputReference":
                return self._target(item, above)
            return {key: self.resolved(value, above) for key, value in item.items()}
        if isinstance(item, list):
            return [self.resolved(value, above) for value in item]
        return item

    def _target(self, reference: dict[str, Any], above: frozenset[str]) -> Any:
        uuid = reference.get("uuid")
        if not isinstance(uuid, str) or uuid in above:
            return reference
        try:
            value = self._output(uuid)
            for _, key in reference.get("attributes") or ():
                value = self.resolved(value, above | {uuid}) if _is_reference(value) else value
                value = value[key]
        except (LookupError, TypeError, ValueError):  # a property of an object, say
            return reference
        return self.resolved(value, above | {uuid})

    def _output(self, uuid: str) -> Any:
        if uuid not in self._outputs:
            found = self._store.query_one({"uuid": uuid}, ["output"], {"index": -1}, load=True)
            if found is None:
                raise LookupError(uuid)
            self._outputs[uuid] = found["output"]
        return self._outputs[uuid]


def _is_reference(item: Any) -> bool:
    return isinstance(item, dict) and item.get("@class") == "OutputReference"
