"""``jfc flow …``: listing, showing, drawing and changing flows."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from jfcelery.states import JobState
from tests.support.queued import Queued

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from tests.support.calling import Jfc
    from tests.support.projects import ProjectFactory
    from tests.support.queued import MakeFlow

_S = JobState
_CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


def test_the_list_fits_and_counts_remote_errors(jfc: Jfc, make_flow: MakeFlow) -> None:
    """A flow that is stuck is seen, though its state is RUNNING."""
    flow = make_flow(_CHAIN, name="stuck")
    flow.bring("a", _S.REMOTE_ERROR)
    make_flow({"x": []}, name="fine")
    answer = jfc("flow", "list", "-v")
    assert answer.widest <= 80
    assert "1 in" in answer.stdout
    data = {row["name"]: row for row in jfc("flow", "list", "--json").data}
    assert data["stuck"]["n_errors"] == 1
    assert data["stuck"]["n_jobs"] == 3
    assert data["stuck"]["counts"] == {"REMOTE_ERROR": 1, "WAITING": 2}
    assert data["stuck"]["db_id"] == flow.ids["a"]
    assert data["fine"]["state"] == "READY"


def test_filters_select_flows(jfc: Jfc, make_flow: MakeFlow, controller: JobController) -> None:
    """Each filter of FFILT does what it says."""
    one, two = make_flow(_CHAIN, name="one"), make_flow({"x": []}, name="two")
    controller.queue.flows.update_one({"_id": two.flow}, {"$set": {"metadata": {"kind": "x"}}})
    one.bring("a", _S.FAILED)

    def names(*args: str) -> set[str]:
        return {row["name"] for row in jfc("flow", "list", "--json", *args).data}

    assert names() == {"one", "two"}
    assert names("-s", "failed") == {"one"}
    assert names("-n", "t*") == {"two"}
    assert names("-did", one.ids["c"]) == {"one"}
    assert names("-jid", two.uuids["x"]) == {"two"}
    assert names("-fid", two.flow) == {"two"}
    assert names("-meta", "kind=x") == {"two"}
    assert names("-hs", "1") == {"one", "two"}
    assert names("-edate", "2020-01-01") == set()
    assert jfc("flow", "list", "--count").stdout == "Number of flows: 2\n"
    assert "No flow matches: name 'z'" in jfc("flow", "list", "-n", "z").stderr


def test_info_shows_the_jobs_as_table_and_tree(jfc: Jfc, make_flow: MakeFlow) -> None:
    """The flow is found by its uuid, a db id, or with --job by a job's uuid."""
    flow = make_flow({**_CHAIN, "d": ["a", "c"]})
    flow.bring("a", _S.COMPLETED)
    for ids in ([flow.flow], [flow.ids["b"]], [flow.uuids["c"], "-j"]):
        data = jfc("flow", "info", *ids, "--json").data
        assert [job["name"] for job in data["jobs"]] == ["a", "b", "c", "d"]
    answer = jfc("flow", "info", "1", "--tree", "--report")
    assert answer.widest <= 80
    lines = [line.rstrip() for line in answer.stdout.splitlines()]
    assert "└── 2 b READY" in lines
    assert "        └── 4 d WAITING (also after 1)" in lines
    assert any(line.split() == ["1", "COMPLETED"] for line in lines)


def test_info_of_a_failed_flow_leads_to_the_jobs_that_failed(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Also if they are not among those shown."""
    flow = make_flow({"a": [], "b": []})
    flow.bring("b", _S.FAILED)
    hint = jfc("flow", "info", "1", "-m", "1").stderr.splitlines()[-1]
    assert hint == f"What went wrong: jfc job list -e -fid {flow.ids['a']}"
    command = hint.partition("jfc ")[2].split()
    assert [job["name"] for job in jfc(*command, "--json").data] == ["b"]


def test_info_of_a_large_flow_shows_some_jobs_and_says_so(jfc: Jfc, make_flow: MakeFlow) -> None:
    """``--max-results`` bounds the table; programs, the tree and the report get all."""
    flow = make_flow({letter: [] for letter in "abcde"})

    answer = jfc("flow", "info", flow.flow, "-m", "2")

    assert answer.stdout.count("READY") == 4, "the flow's own state, their number, and two jobs"
    assert "\n5 READY\n" in answer.stdout
    assert "Only 2 jobs shown" in answer.stderr
    assert len(jfc("flow", "info", flow.flow, "-m", "2", "--json").data["jobs"]) == 5
    assert "5  READY" in jfc("flow", "info", flow.flow, "-m", "2", "--report").stdout
    assert "shown" not in jfc("flow", "info", flow.flow, "-m", "0").stderr


def test_a_jobs_uuid_without_the_option_is_explained(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Mixed kinds of ids are told apart."""
    flow = make_flow({"a": []})
    answer = jfc("flow", "info", flow.uuids["a"])
    assert answer.status == 1
    assert "--job (-j)" in answer.stderr
    assert jfc("flow", "info", "77").status == 1


def test_graphs_are_drawn_in_all_forms(jfc: Jfc, make_flow: MakeFlow, tmp_path: Path) -> None:
    """Mermaid text, SVG and a page; dashed arrows lead to what a job made."""
    flow = make_flow({"a": [], 'b "<&': ["a"]})
    flow.bring("a", _S.DOWNLOADED)
    flow.make("a", {"d": ["a"]})
    text = jfc("flow", "graph", "1").stdout
    assert text.startswith("flowchart TD\n")
    assert text.count("-->") + text.count("-.->") == 2
    assert '"2 b #quot;<&"' in text
    for ending in (".svg", ".html", ".mmd"):
        path = tmp_path / f"flow{ending}"
        assert jfc("flow", "graph", "1", "-p", str(path)).status == 0
    root = ET.fromstring((tmp_path / "flow.svg").read_text())  # noqa: S314 - our own
    assert len(root.findall(".//{http://www.w3.org/2000/svg}rect")) == 3
    assert "<script>" in (tmp_path / "flow.html").read_text()
    wrong = jfc("flow", "graph", "1", "-p", "flow.gif")
    assert wrong.status == 2
    assert ".svg, .png, .html, .mmd" in wrong.stderr
    nowhere = jfc("flow", "graph", "1", "-p", str(tmp_path / "none" / "flow.svg"))
    assert nowhere.status == 1
    assert "cannot be written" in nowhere.stderr


def test_a_wide_graph_has_room_on_a_screen(jfc: Jfc, make_flow: MakeFlow, tmp_path: Path) -> None:
    """Hundreds of siblings are one node, which tells that one of them failed; --all draws each."""
    edges: dict[str, list[str]] = {"start": []} | {f"calc {n}": ["start"] for n in range(300)}
    flow = make_flow(edges | {"fit": list(edges)[1:]})
    flow.bring("start", _S.COMPLETED)
    flow.bring("calc 7", _S.FAILED)
    few = jfc("flow", "graph", "1")
    assert '("calc * ×300"):::failed' in few.stdout  # noqa: RUF001 - the sign for times
    assert few.stdout.count("-->") == 2
    assert "Of 302 jobs" in few.stderr
    each = jfc("flow", "graph", "1", "--all")
    assert each.stdout.count("-->") == 600
    assert each.stderr == ""
    jfc("flow", "graph", "1", "-p", str(tmp_path / "flow.svg"))
    root = ET.parse(tmp_path / "flow.svg").getroot()  # noqa: S314 - our own
    assert int(root.attrib["width"]) < 1000
    assert "1 FAILED, 299 READY" in (tmp_path / "flow.svg").read_text()


def test_a_graph_is_drawn_as_an_image(
    jfc: Jfc, make_flow: MakeFlow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PNG of the size of the SVG, in the colours of the states; Pillow may be missing."""
    from PIL import Image, ImageColor

    make_flow({"a": [], "b": ["a"]}).bring("a", _S.COMPLETED)
    png, vector = tmp_path / "flow.PNG", tmp_path / "flow.svg"
    for path in (png, vector):
        assert jfc("flow", "graph", "1", "-p", str(path)).status == 0
    root = ET.fromstring(vector.read_text())  # noqa: S314 - our own
    with Image.open(png) as image:
        assert image.size == (2 * int(root.attrib["width"]), 2 * int(root.attrib["height"]))
        for box in root.iter("{http://www.w3.org/2000/svg}rect"):
            x, y = (2 * round(float(box.attrib[axis])) + 20 for axis in ("x", "y"))
            assert image.getpixel((x, y)) == ImageColor.getrgb(box.attrib["fill"])
    monkeypatch.setattr("jfcelery.cli.flow.picture.MOST_PIXELS", 10)
    assert "too large" in jfc("flow", "graph", "1", "-p", str(png)).stderr
    monkeypatch.setitem(sys.modules, "PIL", None)
    answer = jfc("flow", "graph", "1", "-p", str(png))
    assert answer.status == 1
    assert "pip install 'jfcelery[image]'" in answer.stderr
    assert ".svg or .html" in answer.stderr


def test_a_stopped_flow_is_resumed(jfc: Jfc, make_flow: MakeFlow) -> None:
    """All its paused and stopped jobs go on; a flow without any says so."""
    flow = make_flow(_CHAIN)
    assert jfc("flow", "resume", flow.flow).status == 1
    jfc("job", "pause", "-fid", flow.flow)
    assert jfc("flow", "resume", flow.ids["a"]).stdout == "3 jobs resumed: 1, 2, 3\n"
    assert flow.state("a") is _S.READY


def test_flows_are_deleted_after_a_preview_and_up_to_a_limit(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController
) -> None:
    """More than --max are refused; the preview shows what goes."""
    flows = [make_flow({"a": [], "b": ["a"]}, name=f"f{i}") for i in range(3)]
    over = jfc("flow", "delete", "-n", "f*", "-m", "2", "-y")
    assert over.status == 1
    assert "--max 3" in over.stderr
    asked = jfc("flow", "delete", "-fid", flows[0].flow, "-a", stdin="n\n")
    assert asked.status == 1
    assert "f0" in asked.stderr
    assert "run folders" in asked.stderr
    assert controller.count_flows() == 3
    assert jfc("flow", "delete", "-fid", flows[0].flow, "-y").stdout == "2 jobs deleted: 1, 2\n"
    assert controller.count_flows() == 2
    assert jfc("flow", "delete", "-n", "none", "-y").status == 1
    assert jfc("flow", "delete", "3", "-n", "f*", "-y").status == 2
    assert controller.delete_flows(flow_ids=[flows[1].flow]) == [flows[1].flow]
    assert controller.count_jobs() == 2
    assert jfc("flow", "delete", "5", "-y").stdout == "2 jobs deleted: 5, 6\n"


def test_run_folders_of_ended_jobs_are_cleaned(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController
) -> None:
    """Folders of jobs that have not ended stay unless all states are meant."""
    flow = make_flow({"a": [], "b": []})
    work_dir = Path(str(controller.project.get_worker("here").work_dir))
    folders = {}
    for name, state in (("a", _S.COMPLETED), ("b", _S.RUNNING)):
        doc = flow.bring(name, state)
        folders[name] = work_dir / name / "folder"
        folders[name].mkdir(parents=True)
        marker = {"attempt": 1, "uuid": doc.uuid, "index": doc.index}
        (folders[name] / ".jfcelery.json").write_text(json.dumps(marker))
        flow.jobs.update(flow.doc(name), {"run_dir": str(folders[name])})
        assert doc.run_dir
    answer = jfc("flow", "clean", flow.flow, "-y")
    assert answer.stdout == "Run folders of 1 job removed.\n"
    assert [folders["a"].exists(), folders["b"].exists()] == [False, True]
    flow.jobs.update(flow.doc("b"), {"run_dir": "/elsewhere/folder"})
    outside = jfc("flow", "clean", "-fid", flow.flow, "-y", "-as", "--json")
    assert outside.status == 1
    assert outside.data["absent"] == [flow.ids["a"]]
    assert "does not lie below" in outside.data["failed"][flow.ids["b"]]


def test_a_folder_that_is_not_the_jobs_own_is_kept_and_named(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController
) -> None:
    """What jobflow-remote or another job left does not count as removed."""
    flow = make_flow({"a": [], "b": []})
    work_dir = Path(str(controller.project.get_worker("here").work_dir))
    for name in ("a", "b"):
        (work_dir / name / "folder").mkdir(parents=True)
        doc = flow.bring(name, _S.FAILED)
        flow.jobs.update(doc, {"run_dir": str(work_dir / name / "folder")})
    marker = {"attempt": 1, "uuid": flow.uuids["a"], "index": 1}
    (work_dir / "a" / "folder" / ".jfcelery.json").write_text(json.dumps(marker))
    answer = jfc("flow", "clean", "1", "-y")
    assert answer.status == 1
    assert answer.stdout == "Run folders of 1 job removed.\n"
    assert "Job 2" in answer.stderr
    assert "holds no marker of the job" in answer.stderr
    again = jfc("flow", "clean", "1", "-y", "--json").data
    assert (again["removed"], again["absent"], list(again["kept"])) == ([], ["1"], ["2"])
    deleted = jfc("flow", "delete", "1", "-y", "--files", "--json")
    assert deleted.status == 0
    assert (sorted(deleted.data["changed"]), deleted.data["refused"]) == (["1", "2"], [])
    assert [one["db_id"] for one in deleted.data["remarks"]] == ["2"]
    assert str(work_dir / "b" / "folder") in deleted.data["remarks"][0]["reason"]
    assert (work_dir / "b" / "folder").exists()


def test_more_flows_than_ten_are_cleaned_only_when_their_number_is_meant(
    jfc: Jfc, make_flow: MakeFlow
) -> None:
    """A filter that is too wide cleans nothing."""
    for number in range(3):
        make_flow({"a": []}, name=f"f{number}")
    over = jfc("flow", "clean", "-n", "f*", "-y", "-m", "2")
    assert over.status == 1
    assert "3 flows match" in over.stderr
    assert "at most 2 are cleaned" in " ".join(over.stderr.split())
    assert "--max 3" in over.stderr
    assert jfc("flow", "clean", "-n", "f*", "-y", "-m", "3").status == 0
    for number in range(8):
        make_flow({"a": []}, name=f"f{number}")
    assert jfc("flow", "clean", "-n", "f*", "-y").status == 1
    assert jfc("flow", "clean", "-n", "f*", "-y", "-m", "0").status == 0


def test_the_store_of_a_flow_is_set_before_it_starts(make_project: ProjectFactory) -> None:
    """Only a store of the project, and only while no output has gone elsewhere."""
    from jfcelery.controller import JobController
    from tests.support.calling import Jfc

    other = {"docs_store": {"type": "MemoryStore"}}
    project = make_project(optional_jobstores={"other": other})
    controller, jfc = JobController(project), Jfc(project.name)
    flow = Queued(controller.queue, {"a": []})
    assert jfc("flow", "set", "store", "1", "nothing").status == 2
    assert jfc("flow", "set", "store", "1", "other").status == 0
    assert controller.get_flow_store(flow.flow) == "other"
    assert jfc("flow", "set", "store", "1").status == 0
    assert controller.get_flow_store(flow.flow) is None
    flow.bring("a", _S.RUNNING)
    late = jfc("flow", "set", "store", "1", "other")
    assert late.status == 1
    assert "started" in late.stderr


@pytest.mark.parametrize("interval", ["hours", "days", "weeks", "months", "years"])
def test_reports_show_the_present_period_last(jfc: Jfc, make_flow: MakeFlow, interval: str) -> None:
    """Counts by state and by period, on the screen, as JSON and as CSV."""
    flow = make_flow({"a": [], "b": [], "c": ["b"]})
    flow.bring("a", _S.COMPLETED)
    flow.bring("b", _S.FAILED)
    jobs = jfc("job", "report", interval, "3", "--json").data
    assert len(jobs["trends"]) == 3
    assert list(jobs["trends"].values())[-1] == {"COMPLETED": 1, "FAILED": 1, "REMOTE_ERROR": 0}
    assert jobs["state_counts"]["WAITING"] == 1
    assert jobs["usage"]["total"]["jobs"] == 2
    flows = jfc("flow", "report", interval, "2", "--csv").stdout.splitlines()
    assert flows[0] == "period,COMPLETED,FAILED"
    assert flows[-1].endswith(",0,1")
    assert jfc("job", "report", interval).widest <= 80
    assert jfc("flow", "report", interval).status == 0
    assert jfc("flow", "report", "minutes").status == 2


def test_every_table_of_a_report_comes_as_csv(jfc: Jfc, make_flow: MakeFlow) -> None:
    """States, periods, and what jobs took by worker and flow: the numbers of the JSON."""
    flow = make_flow({"a": [], "b": []}, name="of, two")
    flow.bring("a", _S.COMPLETED)
    report = jfc("job", "report", "--json").data
    tables = {
        by: list(csv.DictReader(jfc("job", "report", "--csv", "--by", by).stdout.splitlines()))
        for by in ("period", "state", "worker", "flow")
    }
    assert {row["state"]: int(row["number"]) for row in tables["state"]} == report["state_counts"]
    assert [row["period"] for row in tables["period"]] == list(report["trends"])
    took = report["usage"]["by_worker"]["here"]
    assert tables["worker"] == [{"worker": "here"} | {k: str(v) for k, v in took.items()}]
    assert [(row["flow"], row["name"], row["jobs"]) for row in tables["flow"]] == [
        (flow.flow, "of, two", "1")
    ]
    assert {"queued", "transferred", "run", "core_hours"} <= tables["flow"][0].keys()
    flows = jfc("flow", "report", "--csv", "--by", "state").stdout.splitlines()
    assert "RUNNING,1" in flows
    assert jfc("flow", "report", "--csv", "--by", "worker").status == 2
    assert "--by goes with --csv" in jfc("job", "report", "--by", "flow").stderr
    assert "--json and --csv" in jfc("job", "report", "--json", "--csv").stderr
