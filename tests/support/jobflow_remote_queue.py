"""Makes a queue database with jobflow-remote itself; run by the Python of its environment.

``python -m tests.support.jobflow_remote_queue PROJECT`` writes one line of JSON: the uuids of the
flows, and the serialised flows by their names.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from jobflow import Flow

from tests.support.jobs import add, fail, fan_out, identity, replace_by_job, total


def flows() -> dict[str, Flow]:
    """Return the flows, by name."""
    top = add(1)
    left, right = add(top.output, 10), add(top.output, 20)
    diamond = Flow([top, left, right, total([left.output, right.output])], name="diamond")
    first = replace_by_job(3)
    replaced = Flow([first, add(first.output, 5)], name="replaced")
    many = fan_out(3)
    dynamic = Flow([many, identity({"all": many.output})], name="dynamic")
    wrong = fail("for jobflow-remote")
    failed = Flow([wrong, add(wrong.output)], name="failed")
    one, two = add(4), add(5)
    held = Flow([one, two, total([one.output, two.output])], name="held")
    return {flow.name: flow for flow in (diamond, replaced, dynamic, failed, held)}


def main(project: str) -> None:
    """Submit the flows, and let jobflow-remote run some of their jobs."""
    jobflow_remote: Any = import_module("jobflow_remote")
    controllers: Any = import_module("jobflow_remote.jobs.jobcontroller")
    runners: Any = import_module("jobflow_remote.jobs.runner")

    controller = controllers.JobController.from_project_name(project)
    controller.reset(reset_output=True)
    made = flows()
    content: dict[str, Any] = {
        name: json.loads(json.dumps(flow.as_dict(), default=str)) for name, flow in made.items()
    }
    ids = {name: jobflow_remote.submit_flow(flow, project=project) for name, flow in made.items()}
    runner = runners.Runner(project_name=project)
    # the first two of the diamond, the job that replaces itself, and the one that fails
    for db_id in (*ids["diamond"][:2], ids["replaced"][0], ids["failed"][0]):
        runner.run_one_job(db_id=str(db_id))
    controller.pause_job(db_id=str(ids["held"][0]))
    result = {"uuids": {n: f.uuid for n, f in made.items()}, "ids": ids, "flows": content}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
