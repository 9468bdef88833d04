"""The REST API: who may enter, what it tells, what it does and refuses."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

from jfcelery.states import JobState
from jfcelery.web.access import Access, Tokens
from jfcelery.web.app import make_app
from tests.support.calling import Jfc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2

    from jfcelery.project import Project
    from tests.support.queued import MakeFlow

#: Where the clients of these tests believe the server to be.
BASE = "http://127.0.0.1"


@pytest.fixture
def access(tmp_path: Path) -> Access:
    """Who may enter: two tokens, and two passwords."""
    return Access(Tokens.of(tmp_path / "web.json"), {"sesame": "full", "peep": "read"})


@pytest.fixture
def tokens(access: Access, tmp_path: Path) -> Tokens:
    """The tokens."""
    return Tokens.of(tmp_path / "web.json")


@pytest.fixture
def stranger(project: Project, access: Access) -> Iterator[TestClient]:
    """A browser that is not logged in."""
    app = make_app(project, access, hosts=("127.0.0.1",), pages=False)
    with TestClient(app, base_url=BASE, follow_redirects=False) as client:
        yield client


@pytest.fixture
def program(stranger: TestClient, tokens: Tokens) -> TestClient:
    """A program that may act."""
    stranger.headers["Authorization"] = f"Bearer {tokens.token}"
    return stranger


def act(client: TestClient, action: str, **fields: Any) -> httpx2.Response:
    """Ask for an action on some jobs."""
    jobs = fields.pop("jobs", {})
    return client.post("/api/actions", json={"action": action, "jobs": jobs, **fields})


def test_nothing_but_health_and_login_is_open(stranger: TestClient) -> None:
    """Without a login every path of the application refuses, be it there or not."""
    assert stranger.get("/health/live").json() == {"status": "alive"}
    paths = [
        "/metrics",
        "/api/openapi.json",
        "/api/session",
        "/api/jobs/1",
        "/api/nowhere",
        "/download/x",
    ]
    assert {stranger.get(path).status_code for path in paths} == {401}
    assert stranger.get("/").headers["location"] == "/login"
    assert stranger.get("/health/ready").status_code == 200
    assert stranger.get("/login").status_code == 200
    assert act(stranger, "pause").status_code == 401


def test_tokens_are_kept_private_and_stay(tmp_path: Path) -> None:
    """The file of the tokens is its owner's alone, and the next start finds the same."""
    path = tmp_path / "sub" / "web.json"
    made = Tokens.of(path)
    assert path.stat().st_mode & 0o077 == 0
    assert Tokens.of(path) == made
    assert made.token not in repr(made)


def test_a_link_lets_in_once(stranger: TestClient, access: Access) -> None:
    """The printed link logs in the first time only; a wrong one never does."""
    key = access.new_link()
    assert stranger.get("/login", params={"key": "wrong"}).status_code == 403
    entered = stranger.get("/login", params={"key": key})
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert stranger.get("/api/session").json()["role"] == "full"
    stranger.cookies.clear()
    assert stranger.get("/login", params={"key": key}).status_code == 403
    assert stranger.get("/api/session").status_code == 401


def test_passwords_let_in_with_their_role(stranger: TestClient) -> None:
    """One password lets act, another only read; a wrong one nothing. Logging out ends it."""
    assert stranger.post("/login", data={"password": "guess"}).status_code == 403
    for password, role in (("sesame", "full"), ("peep", "read")):
        assert stranger.post("/login", data={"password": password}).status_code == 303
        assert stranger.get("/api/session").json()["role"] == role
    stranger.post("/logout")
    assert stranger.get("/api/session").status_code == 401


def test_readers_cannot_act(stranger: TestClient, tokens: Tokens, make_flow: MakeFlow) -> None:
    """With the token for reading, searches and previews work and every change is refused."""
    make_flow({"a": []})
    stranger.headers["Authorization"] = f"Bearer {tokens.read_token}"
    assert len(stranger.post("/api/jobs/search", json={}).json()) == 1
    preview = stranger.post("/api/actions/preview", json={"action": "pause", "jobs": {}})
    assert preview.json()["number"] == 1
    for path in ("/api/actions", "/api/workers/here/pause", "/api/runner/start"):
        assert stranger.post(path, json={}).status_code == 403


def test_changes_by_cookie_need_the_csrf_token(stranger: TestClient, make_flow: MakeFlow) -> None:
    """A page of another site can neither send the token nor hide where it comes from."""
    flow = make_flow({"a": []})
    jobs = {"db_ids": [flow.ids["a"]]}
    stranger.post("/login", data={"password": "sesame"})
    assert act(stranger, "pause", jobs=jobs).status_code == 403
    csrf = {"X-CSRF-Token": stranger.get("/api/session").json()["csrf"]}
    body = {"action": "pause", "jobs": jobs}
    foreign = stranger.post("/api/actions", json=body, headers={**csrf, "Origin": "http://evil"})
    assert foreign.status_code == 403
    assert flow.state("a") is JobState.READY
    own = stranger.post("/api/actions", json=body, headers={**csrf, "Origin": BASE})
    assert own.status_code == 200
    assert flow.state("a") is JobState.PAUSED


def test_other_names_of_this_machine_are_refused(program: TestClient) -> None:
    """A foreign name that leads to the loopback address reaches nothing."""
    assert program.get("/api/session", headers={"Host": "evil.example"}).status_code == 421
    assert program.get("/health/live", headers={"Host": "evil.example:8470"}).status_code == 421


def test_answers_forbid_framing_and_foreign_sources(program: TestClient) -> None:
    """Browsers are told to load nothing from elsewhere and to show nothing in a frame."""
    for path in ("/login", "/metrics", "/api/nowhere"):
        headers = program.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"


def test_jobs_are_found_by_the_filters_of_the_commands(
    program: TestClient, make_flow: MakeFlow
) -> None:
    """State, worker, name, flow and error select; pages are cut by limit and skip."""
    flow = make_flow({"a": [], "b": ["a"], "c": []})
    flow.bring("c", JobState.FAILED)

    def names(**selection: Any) -> set[str]:
        return {job["name"] for job in program.post("/api/jobs/search", json=selection).json()}

    assert names() == {"a", "b", "c"}
    assert names(states=["WAITING"]) == {"b"}
    assert names(name="[ab]") == {"a", "b"}
    assert names(error_regex="wrong") == {"c"}
    assert names(workers=["elsewhere"]) == set()
    assert names(flow_ids=[flow.flow], states=["READY"]) == {"a"}
    pages = [
        program.post(f"/api/jobs/search?limit=2&skip={skip}", json={}).json() for skip in (0, 2)
    ]
    assert [len(page) for page in pages] == [2, 1]
    assert program.post("/api/jobs/count", json={"states": ["FAILED"]}).json() == 1
    assert program.post("/api/jobs/search", json={"error_regex": "("}).status_code == 400


def test_a_job_tells_everything(program: TestClient, make_flow: MakeFlow) -> None:
    """Info, history, reasons, script and flow of a job; what is not there is named."""
    flow = make_flow({"a": []})
    flow.bring("a", JobState.REMOTE_ERROR)
    path = f"/api/jobs/{flow.ids['a']}"
    assert program.get(path).json()["error_class"] == "OutputMissingError"
    by_uuid = program.get(f"/api/jobs/{flow.uuids['a']}?index=1").json()
    assert by_uuid["db_id"] == flow.ids["a"]
    history = program.get(f"{path}/history").json()
    assert history[-1]["target"] == "REMOTE_ERROR"
    (why,) = program.get(f"{path}/why").json()
    assert why["command"] == f"jfc job retry {flow.ids['a']}"
    assert program.get(f"/api/flows/{flow.flow}").json()["jobs_info"][0]["name"] == "a"
    assert program.get(f"{path}/output").status_code == 404
    assert program.get(f"{path}/files").status_code == 404
    for missing in ("/api/jobs/999", "/api/jobs/999/history", "/api/flows/999"):
        answer = program.get(missing)
        assert answer.status_code == 404
        assert answer.json()["message"]


def test_previews_and_refusals_are_those_of_the_command_line(
    project: Project, program: TestClient, make_flow: MakeFlow
) -> None:
    """For the same jobs, the API says word for word what `jfc` says."""
    flow = make_flow({"a": [], "b": [], "c": ["b"]})
    flow.bring("a", JobState.COMPLETED)
    jfc, ids = Jfc(project.name), list(flow.ids.values())
    chosen = [word for job in ids for word in ("-did", job)]
    for action in ("retry", "rerun", "resume"):
        body = {"action": action, "jobs": {"db_ids": ids}}
        said = program.post("/api/actions/preview", json=body).json()
        done = program.post("/api/actions", json=body).json()
        answer = jfc("job", action, *chosen, "--yes", columns=400)
        lines = [line for line in answer.stderr.splitlines() if line]
        assert lines[0] == said["text"]
        assert [*answer.stdout.splitlines(), *lines[1:]] == done["text"]


def test_what_cannot_be_undone_wants_the_expected_number(
    program: TestClient, make_flow: MakeFlow
) -> None:
    """Deleting, and acting on all jobs, needs the number that the preview told, still true."""
    flow = make_flow({"a": [], "b": []})
    jobs = {"db_ids": [flow.ids["a"]]}
    refused = act(program, "delete", jobs=jobs)
    assert refused.status_code == 400
    assert "cannot be undone" in refused.json()["message"]
    assert act(program, "delete", jobs=jobs, expected=2).status_code == 409
    assert act(program, "pause").status_code == 400
    assert act(program, "pause", expected=2).json()["changed"] == list(flow.ids.values())
    assert act(program, "delete", jobs=jobs, expected=1).json()["changed"] == [flow.ids["a"]]
    assert program.get(f"/api/jobs/{flow.ids['a']}").status_code == 404


def test_properties_are_set_and_checked(program: TestClient, make_flow: MakeFlow) -> None:
    """Priority, worker and resources are set; what is missing or unknown is refused."""
    flow = make_flow({"a": []})
    jobs = {"db_ids": [flow.ids["a"]]}
    assert act(program, "set_priority", jobs=jobs, priority=7).status_code == 200
    assert flow.doc("a").priority == 7
    assert act(program, "set_priority", jobs=jobs).status_code == 400
    assert act(program, "set_worker", jobs=jobs, worker="nobody").status_code == 404
    assert act(program, "set_worker", jobs=jobs, worker="here").status_code == 200


def test_workers_are_held_back_and_let_go(program: TestClient) -> None:
    """Pausing a worker shows in the list, with its reason, until it is resumed."""
    assert program.post("/api/workers/here/pause?reason=holidays").json() == ["here"]
    (worker,) = program.get("/api/workers").json()
    assert worker["state"].startswith("paused: holidays, since ")
    program.post("/api/workers/here/resume")
    assert program.get("/api/workers").json()[0]["state"] == "ok"
    assert program.post("/api/workers/nobody/pause").status_code == 404


def test_reports_come_as_json_and_csv(program: TestClient, make_flow: MakeFlow) -> None:
    """The table of periods is the same in both forms."""
    make_flow({"a": []}).bring("a", JobState.COMPLETED)
    data = program.get("/api/reports/jobs?interval=hours&number=3").json()
    assert data["state_counts"]["COMPLETED"] == 1
    text = program.get("/api/reports/jobs?interval=hours&number=3&form=csv").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["period"] for row in rows] == list(data["trends"])
    assert sum(int(row["COMPLETED"]) for row in rows) == 1
    workers = program.get("/api/reports/jobs?form=csv&by=worker").text.splitlines()
    assert [line.split(",")[:2] for line in workers] == [["worker", "jobs"], ["here", "1"]]
    assert program.get("/api/reports/flows?form=csv&by=worker").status_code == 400
    assert program.get("/api/reports/flows").status_code == 200
    assert program.get("/api/reports/jobs?zone=Nowhere").status_code == 400


def test_metrics_lie_behind_the_door(program: TestClient, make_flow: MakeFlow) -> None:
    """With a token, Prometheus reads the jobs."""
    make_flow({"a": []})
    answer = program.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'jfcelery_jobs{state="READY",worker="here"} 1.0' in answer.text


def test_the_document_describes_every_route(program: TestClient) -> None:
    """OpenAPI names each path with its errors, and no page loads scripts from elsewhere."""
    paths = json.loads(program.get("/api/openapi.json").text)["paths"]
    assert len(paths) > 20
    assert all("404" in how["responses"] for path in paths.values() for how in path.values())
    assert program.get("/docs").status_code == 404


def test_the_runner_of_the_machine_is_told(program: TestClient) -> None:
    """Where no runner runs, its state says so and stopping it changes nothing."""
    assert program.get("/api/runner").json() == {"runner": "stopped"}
    assert program.post("/api/runner/stop").json() == {"runner": "stopped"}
