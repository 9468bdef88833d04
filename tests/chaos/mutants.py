"""Plants one defect after the other in a copy of the code: some test must fail for each.

``python tests/chaos/mutants.py [NAME ...]`` takes some minutes. A defect that no test sees is
named, and the exit status is then 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

#: The root of the source tree.
TREE = Path(__file__).resolve().parents[2]
#: What of it the tests need.
PARTS = ("jfcelery", "scheduler_io", "tasks", "cli", "tests", "pyproject.toml", "README.md")
#: Seconds after which the tests of one defect count as failed: they hang.
LIMIT = 600


@dataclass(frozen=True)
class Mutant:
    """A defect.

    Args:
        file: Where.
        old: What is right.
        new: What is wrong.
        tests: Which of them must see it.
    """

    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ("tests/chaos/test_model.py",)


GUARD = ("tests/chaos/test_guard.py",)
LEASE = ("tests/tasks/test_lease.py", *GUARD)
RESULTS = ("tests/tasks/test_foreign_results.py",)
SCRIPTS = ("tests/scheduler_io/test_script_data.py",)
WORDS = ("tests/scheduler_io/test_words_data.py",)
TOLD = ("tests/tasks/test_told.py",)

MUTANTS: dict[str, Mutant] = {
    "release flag not set": Mutant(
        "tasks/finalize.py", '{**fields, "release": True}, then)', "fields, then)", GUARD
    ),
    "place not given back at once": Mutant(
        "tasks/ends.py",
        "free_places(runtime, changed, changed[0].worker)",
        "pass",
        GUARD,
    ),
    "places never taken back by the sweep": Mutant(
        "tasks/sweep.py", "        _free_places,\n", "", GUARD
    ),
    "fence not compared": Mutant(
        "jfcelery/database/jobs.py",
        "mine = (doc.lock_id, doc.fence, doc.epoch, doc.state)\n"
        "        if (now.lock_id, now.fence, now.epoch, now.state) != mine:",
        "mine = (doc.lock_id, doc.epoch, doc.state)\n"
        "        if (now.lock_id, now.epoch, now.state) != mine:",
        GUARD,
    ),
    "fence not raised": Mutant(
        "jfcelery/database/jobs.py", '"fence": doc.fence + 1,', '"fence": doc.fence,', GUARD
    ),
    "epoch of a message not compared": Mutant(
        "tasks/step.py", "if doc.epoch != epoch:", "if False:", GUARD
    ),
    "epoch not compared at the commit": Mutant(
        "jfcelery/database/jobs.py",
        "mine = (doc.lock_id, doc.fence, doc.epoch, doc.state)\n"
        "        if (now.lock_id, now.fence, now.epoch, now.state) != mine:",
        "mine = (doc.lock_id, doc.fence, doc.state)\n"
        "        if (now.lock_id, now.fence, now.state) != mine:",
        GUARD,
    ),
    "live lease ignored": Mutant(
        "jfcelery/database/documents.py",
        "return self.lock_id is not None and self.lock_until is not None and self.lock_until > now",
        "return False",
        GUARD,
    ),
    "lease of the dead not taken over": Mutant(
        "tasks/sweep.py",
        "if doc.retry_at is not None or doc.lock_id is not None:",
        "if doc.lock_id is not None:\n        return False\n    if doc.retry_at is not None:",
        GUARD,
    ),
    "lease not renewed": Mutant(
        "tasks/lease.py", "ours[doc.id] = jobs.renew(doc, term)", "pass", LEASE
    ),
    "version not compared": Mutant(
        "jfcelery/database/jobs.py",
        '{"_id": doc.id, "version": doc.version},',
        '{"_id": doc.id},',
        GUARD,
    ),
    "history made up after the change only": Mutant(
        "jfcelery/database/jobs.py",
        "        self.history.ensure([doc])\n        changed = self._compare_and_set(doc, change)",
        "        changed = self._compare_and_set(doc, change)\n        self.history.ensure([doc])",
    ),
    "history never made up": Mutant(
        "jfcelery/database/jobs.py", "        self.history.ensure([doc])\n", ""
    ),
    "lost messages not sent again": Mutant("tasks/sweep.py", "        _send_standing,\n", ""),
    "children not released by the sweep": Mutant(
        "tasks/sweep.py", "        _release_pending,\n", ""
    ),
    "done step not passed over": Mutant(
        "tasks/step.py",
        "if RANK.get(doc.state, 0) > RANK[self.source]:",
        "if False:",
        GUARD,
    ),
    "submitted without a look at the folder": Mutant(
        "scheduler_io/schedulers/frames.py", "  state_one && return 0\n", ""
    ),
    "no place taken before submission": Mutant(
        "tasks/submit.py", "    take_place(work)\n", "", GUARD
    ),
    "flow run before all of it is in": Mutant(
        "tasks/ready.py",
        'return {raw["_id"] for raw in runtime.queue.flows.find({"inserting": True}, {"_id": 1})}',
        "return set()",
        GUARD,
    ),
    "end of a queue job taken from a listing that lacks it": Mutant(
        "tasks/poll.py",
        "if missing < runtime.project.poll.absent_polls or now - since < HIDDEN_TIME:",
        "if False:",
        ("tests/tasks/test_poll.py", *GUARD),
    ),
    "same token for every write": Mutant(
        "jfcelery/database/jobs.py",
        '| {"token": uuid4().hex}',
        '| {"token": "same"}',
        GUARD,
    ),
    "journal not waited for": Mutant(
        "jfcelery/database/connection.py",
        'WriteConcern(w="majority", j=True)',
        "WriteConcern(w=1)",
        ("tests/jfcelery/database/test_connection.py",),
    ),
    "embedded journal not waited for": Mutant(
        "jfcelery/services/database.py",
        '"--sync-on-commit",  # else a kill loses what was acknowledged\n',
        "\n",
        ("tests/jfcelery/services/test_faults.py",),
    ),
    "killers never parked": Mutant(
        "tasks/deaths.py",
        "if number >= MOST_DEATHS:",
        "if False:",
        ("tests/tasks/test_deaths.py",),
    ),
    "outputs decoded where they are shown": Mutant(
        "jfcelery/controller/outputs.py",
        'References(store).resolved(found.get("output"), frozenset({doc.uuid}))',
        "store.get_output(doc.uuid, which=doc.index, load=load)",
        ("tests/jfcelery/controller/test_outputs.py",),
    ),
    "outputs of other jobs taken in": Mutant(
        "tasks/outputs.py", "if other and not", "if False and not", RESULTS
    ),
    "files taken that nobody asked for": Mutant(
        "scheduler_io/hosts/base.py",
        "if not is_asked_for(name, wanted)",
        "if False",
        ("tests/scheduler_io/hosts/test_fetch.py",),
    ),
    "pickle taken": Mutant(
        "tasks/settings.py",
        '"accept_content": ["json"]',
        '"accept_content": ["json", "pickle"]',
        ("tests/jfcelery/services/test_celery.py",),
    ),
    "ids taken that are options": Mutant(
        "scheduler_io/queue.py", r'_ID = re.compile(r"\w[', '_ID = re.compile(r"[', WORDS
    ),
    "names in arrays not quoted": Mutant(
        "scheduler_io/schedulers/slurm.py", r"${name//\'/\'\\\'\'}", "$name", WORDS
    ),
    "uuids taken that are commands": Mutant(
        "jfcelery/flows/entry.py", "if not _PLAIN.match(value):", "if False:", SCRIPTS
    ),
    "names of variables not checked": Mutant(
        "jfcelery/project/exec_config.py", "if not _VARIABLE.match(name):", "if False:", SCRIPTS
    ),
    "modules not quoted": Mutant(
        "scheduler_io/script.py",
        "shlex.join(module.split())",
        "' '.join(module.split())",
        SCRIPTS,
    ),
    "values of several lines": Mutant(
        "scheduler_io/schedulers/headers.py", "    check_values(options)\n", "", SCRIPTS
    ),
    "secrets kept of an exception": Mutant(
        "jfcelery/database/failures.py", "text = queue.redact(given)", "text = given", TOLD
    ),
    "secrets in the history": Mutant(
        "jfcelery/database/jobs.py", "reason(self.queue.redact(why))", "reason(why)", TOLD
    ),
    "secrets in what is said of a host": Mutant(
        "jfcelery/database/hosts.py", "self.queue.redact(str(error))", "str(error)", TOLD
    ),
    "secrets in the logs": Mutant(
        "tasks/trouble.py", "told = jobs.queue.redact(str(error))", "told = error", TOLD
    ),
    "secrets on the terminal": Mutant(
        "cli/failures.py", "sys.stderr.write(redacted(", "sys.stderr.write(str(", TOLD
    ),
    "secrets for others to read": Mutant(
        "jfcelery/services/record.py",
        "0o600)",
        "0o644)",
        ("tests/jfcelery/services/test_manage.py",),
    ),
    "certificates of the broker not checked": Mutant(
        "jfcelery/services/external.py",
        '"ssl_cert_reqs": "required"',
        '"ssl_cert_reqs": "none"',
        ("tests/jfcelery/services/test_encrypted.py",),
    ),
    "Flower without a login": Mutant(
        "tasks/flower_app.py",
        "if not self._may_enter(request):",
        "if False:",
        ("tests/tasks/test_flower_app.py",),
    ),
}


def seen(mutant: Mutant, folder: Path) -> bool:
    """Return whether a test fails when a defect is planted in a copy of the tree."""
    path = folder / mutant.file
    right = path.read_text()
    if right.count(mutant.old) != 1:
        raise click.ClickException(f"{mutant.file} has {mutant.old!r} not once")
    path.write_text(right.replace(mutant.old, mutant.new))
    env = {**os.environ, "PYTHONPATH": str(folder), "JFCELERY_MODEL_SEEDS": "12"}
    argv = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*argv, *mutant.tests],
            cwd=folder,
            env=env,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(right)
    if done.returncode not in {0, 1}:
        raise click.ClickException(done.stdout.decode(errors="replace")[-2000:])
    return done.returncode == 1


@click.command()
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Plant one defect after the other, and name those that no test sees."""
    unseen = []
    with tempfile.TemporaryDirectory(prefix="jfc-mutants-") as text:
        folder = Path(text)
        for part in PARTS:
            source = TREE / part
            if source.is_dir():
                shutil.copytree(source, folder / part, symlinks=True)
            else:
                shutil.copy(source, folder / part)
        for name in names or MUTANTS:
            began = time.monotonic()
            found = seen(MUTANTS[name], folder)
            click.echo(
                f"{'seen' if found else 'NOT SEEN':9} {time.monotonic() - began:5.0f} s  {name}"
            )
            unseen += [] if found else [name]
    sys.exit(bool(unseen))


if __name__ == "__main__":
    main()
