"""Running jobs again from their beginning, with everything that depends on them.

A job on which nothing that has started depends is just made READY. For any other the order is:

1. the job becomes WAITING, held by a token of its own, so that nothing starts too early;
2. jobs below it become WAITING for it again, queue jobs of theirs are cancelled;
3. jobs that it, or one of those, had made are archived: the new run makes new ones;
4. the token is taken away.

Each part may be repeated: a rerun that died half-way is finished by running it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jfcelery.controller.archive import archive
from jfcelery.controller.bulk import (
    Manner,
    Move,
    Refusal,
    Result,
    change_jobs,
    user_name,
)
from jfcelery.controller.fields import cancel_requests, fresh
from jfcelery.controller.lineage import Lineage, have_dependents, lineage
from jfcelery.controller.outputs import remove_outputs
from jfcelery.controller.pause import start_state
from jfcelery.database.chunks import chunks
from jfcelery.database.edges import APART
from jfcelery.errors import ConflictError, RefusedError
from jfcelery.flows.insert import generator_token
from jfcelery.states import RERUN_STATES, JobState, sources_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs
    from jfcelery.project import Project

_S = JobState

#: States of jobs that have not started, or that a person holds: a rerun above takes nothing away.
_UNTOUCHED = frozenset({_S.WAITING, _S.READY, _S.PAUSED, _S.STOPPED, _S.USER_STOPPED})
#: States in which a job below stays; it only waits for more.
_HELD = frozenset({_S.WAITING, _S.PAUSED, _S.STOPPED, _S.USER_STOPPED})
#: Jobs looked at with one query for what depends on them.
PIECE = 500
#: Most db ids that a refusal names.
_SHOWN = 5


@dataclass(frozen=True)
class Rerun:
    """Reruns jobs of one project.

    Args:
        project: The project.
        jobs: Its jobs.
        force: Rerun also what is COMPLETED or has started jobs below it.
    """

    project: Project
    jobs: Jobs
    force: bool = False

    def run(self, docs: Sequence[JobDoc], manner: Manner) -> Result:
        """Rerun jobs; those that were reset on the way count as changed."""
        result, done = Result(), 0
        for piece in chunks(docs, PIECE):
            result += self._piece(piece, manner)
            done += len(piece)
            manner.progress(done)
        reset = set(result.changed)
        refused = tuple(r for r in result.refused if r.db_id not in reset)
        return Result(tuple(dict.fromkeys(result.changed)), refused)

    def _piece(self, docs: Sequence[JobDoc], manner: Manner) -> Result:
        special = have_dependents(self.jobs, docs) | {d.id for d in docs if held_by_itself(d)}
        simple = [doc for doc in docs if doc.id not in special]
        quiet = replace(manner, progress=lambda _: None)
        result = change_jobs(self.jobs, simple, self._plan, quiet)
        for doc in docs:
            if doc.id in special:
                result += self._rerun_with_dependents(doc.uuid, doc.index, quiet)
        return result

    def _plan(self, doc: JobDoc) -> Move:
        # It still waits for something only where a person set its state.
        return Move(self._event(doc), start_state(doc), fresh(doc))

    def _event(self, doc: JobDoc) -> str:
        """Return the row of the state table by which a job may be rerun."""
        if doc.state in RERUN_STATES:
            return "rerun"
        if doc.state is _S.READY:
            raise RefusedError("it is READY: there is nothing to rerun.")
        if doc.state is _S.WAITING:
            raise RefusedError("it is WAITING: it runs by itself once its parents are done.")
        if not self.force:
            remedies = {
                _S.COMPLETED: "--force runs it again, with all that depends on it.",
                _S.PAUSED: "`jfc job resume` lets it go on.",
            }
            remedy = remedies.get(doc.state, "`jfc job resume` starts it again.")
            raise RefusedError(f"it is {doc.state}.", remedy=remedy)
        if doc.state in sources_of("force_rerun"):
            return "force_rerun"
        raise RefusedError(f"it is {doc.state}.")

    def _rerun_with_dependents(self, uuid: str, index: int, manner: Manner) -> Result:
        root = self.jobs.get(uuid, index)
        try:
            resumed = held_by_itself(root)
            if not resumed:
                self._event(root)
            line = lineage(self.jobs, root)
            if not resumed:
                self._check(line)
        except RefusedError as refusal:
            refused = Refusal(root.db_id, str(refusal).replace("\n", " "))
            if manner.strict:
                raise refused.error() from None
            return Result(refused=(refused,))
        hold = change_jobs(self.jobs, [] if resumed else [root], self._hold, manner)
        if hold.refused:
            return hold
        below = self._reset(line, manner)
        if below.refused:
            reason = f"{below.refused[0].db_id} below it: {below.refused[0].reason}"
            again = f"{reason} Job {root.db_id} is held meanwhile: rerun it again."
            return Result(refused=(Refusal(root.db_id, again),))
        self._archive(line)
        self._let_go(uuid, index)
        return Result((root.db_id, *below.changed))

    def _check(self, line: Lineage) -> None:
        """Refuse what would throw results away, unless that is wanted."""
        if self.force:
            return
        started = [doc for doc in line.below if doc.state not in _UNTOUCHED]
        made = [doc for doc in line.made if doc.state not in (_S.WAITING, _S.READY)]
        if started:
            raise RefusedError(
                f"jobs that depend on it have started ({_states(started)}).",
                remedy="--force resets them.",
            )
        if made:
            raise RefusedError(
                f"it made jobs that have started ({_states(made)}).",
                remedy="--force archives them and has new ones made.",
            )

    def _hold(self, doc: JobDoc) -> Move:
        fields = {**fresh(doc), "unmet": [generator_token(doc.id)]}
        return Move(self._event(doc), _S.WAITING, fields)

    def _reset(self, line: Lineage, manner: Manner) -> Result:
        """Make the jobs below WAITING; hold those that were made until they are archived."""
        halted_by = {line.root.db_id, *(doc.db_id for doc in line.below)}
        tokens = {generator_token(doc.id) for doc in (*line.made, *line.below, line.root)}

        def below(doc: JobDoc) -> Move:
            fields = self._waiting_for(doc, line, tokens)
            if doc.state in _HELD and not _halted_by(doc, halted_by):
                return Move(fields=fields)
            return Move("reset", _S.WAITING, {**fresh(doc), **fields})

        def made(doc: JobDoc) -> Move:
            fields = {"unmet": [generator_token(line.root.id)]}
            if doc.state is _S.WAITING:
                return Move(fields=fields)
            return Move("reset", _S.WAITING, {**fresh(doc), **fields})

        first = change_jobs(self.jobs, line.made, made, manner)
        self._reopen(line)
        second = change_jobs(self.jobs, line.below, below, manner)
        refused = first.refused + second.refused
        apart = [doc for doc in line.below if doc.apart]
        if apart and not refused:
            # Until they were all reset, one's late release may have met another's edge.
            self._reopen(line)
            refused = change_jobs(self.jobs, self._again(apart), below, manner).refused
        return Result(second.changed, refused)

    def _reopen(self, line: Lineage) -> None:
        """Write the edges of the jobs below, before their documents say that they wait again."""
        edges = self.jobs.edges
        # Those too of which the child's document does not know yet: their writer died.
        edges.delete(list(edges.to(line.gone)))
        for doc in line.below:
            if not doc.apart:
                continue
            found = list(edges.of([doc.id]))
            now = self.jobs.again(doc)
            if now is not None and APART not in now.unmet:
                # Where a person let it start without its parents, it waits for those no more.
                edges.meet([edge for edge in found if not edge.met])
            edges.reopen(edge for edge in found if edge.parent in line.kept)

    def _waiting_for(self, doc: JobDoc, line: Lineage, tokens: set[str]) -> dict[str, Any]:
        """Return the fields by which a job waits again for what is run again."""
        open_before = [u for u in doc.unmet if u not in line.gone and u not in tokens]
        if doc.apart:
            own = [token for token in open_before if token != APART]
            more = [APART] if self.jobs.edges.is_open(doc.id) else []
            return {"apart": self.jobs.edges.count(doc.id), "unmet": own + more}
        parents = [uuid for uuid in doc.parents if uuid not in line.gone]
        unmet = dict.fromkeys([*open_before, *(u for u in parents if u in line.kept)])
        return {"parents": parents, "unmet": list(unmet)}

    def _archive(self, line: Lineage) -> None:
        """Archive what was made; the root asks for the cancelling of what still runs of it."""
        left = self._again(line.made)
        if not left:
            return
        shadowing = [doc for doc in left if doc.uuid in line.kept]
        remove_outputs(self.project, self.jobs.queue, shadowing)
        requests = [request for doc in left for request in cancel_requests(doc)]
        while requests:
            root = self.jobs.get(line.root.uuid, line.root.index)
            known = cancel_requests(root)
            try:
                self.jobs.update(root, {"cancel": known + [r for r in requests if r not in known]})
                break
            except ConflictError:
                continue
        while left:
            archive(self.jobs, left, why=f"job {line.root.db_id}, which made it, is run again")
            left = self._again(left)

    def _again(self, docs: Sequence[JobDoc]) -> list[JobDoc]:
        found: list[JobDoc] = []
        for piece in chunks([doc.id for doc in docs], PIECE):
            found += self.jobs.find({"_id": {"$in": piece}})
        return found

    def _let_go(self, uuid: str, index: int) -> None:
        while True:
            root = self.jobs.get(uuid, index)
            if not held_by_itself(root):
                return
            try:
                self.jobs.transition(
                    root, "release", _S.READY, by=user_name(), fields={"unmet": []}
                )
            except ConflictError:
                continue


def held_by_itself(doc: JobDoc) -> bool:
    """Return whether a rerun of a job was begun and is to be finished."""
    return doc.state is _S.WAITING and doc.unmet == [generator_token(doc.id)]


def _halted_by(doc: JobDoc, db_ids: set[str]) -> bool:
    """Return whether a job was stopped by what another one returned, which runs again now."""
    if doc.state is not _S.STOPPED or doc.last is None or doc.last.event != "halt":
        return False
    return doc.last.why.partition(" returned ")[0] in db_ids


def _states(docs: Sequence[JobDoc]) -> str:
    shown = ", ".join(f"{doc.db_id} {doc.state}" for doc in docs[:_SHOWN])
    more = len(docs) - _SHOWN
    return shown + (f" and {more} more" if more > 0 else "")
