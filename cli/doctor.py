"""``jfc doctor``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jfcelery.cli.failures import EXIT_SETUP
from jfcelery.cli.options import json_option

if TYPE_CHECKING:
    from jfcelery.tasks.doctor import Finding


@click.command()
@click.option("--no-workers", is_flag=True, help="Log in to no worker.")
@click.option(
    "--bug-report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write an archive (zip) with findings, versions and logs, without secrets, as well.",
)
@json_option
def doctor(no_workers: bool, bug_report: Path | None, as_json: bool) -> None:
    """Look for what is wrong, and say what to do about it.

    Versions, folders, database, broker, Celery workers, hosts and workers are looked at; nothing
    is changed. Ends with status 2 if something does not work.
    """
    from jfcelery.cli.output import write_json
    from jfcelery.cli.state import load_project
    from jfcelery.tasks.doctor import Level, examine

    project = load_project()
    findings: list[Finding] = []
    for finding in examine(project, reach_workers=not no_workers):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        write_json({"project": project.name, "findings": [asdict(one) for one in findings]})
    if bug_report is not None:
        from jfcelery.tasks.doctor.report import write_report

        names = write_report(project, findings, bug_report)
        click.echo(
            f"Written: {bug_report} ({len(names)} files). Look at it before you send it.", err=True
        )
    number = sum(finding.level is not Level.OK for finding in findings)
    if not as_json:
        click.echo(
            "All is well."
            if not number
            else f"{number} of {len(findings)} findings ask for something."
        )
    if any(finding.level is Level.ERROR for finding in findings):
        raise click.exceptions.Exit(EXIT_SETUP)


#: How each level is marked.
_MARKS = {"ok": ("ok   ", "green"), "warning": ("note ", "yellow"), "error": ("FAIL ", "red")}


def _show(finding: Finding) -> None:
    import textwrap

    from jfcelery.cli.output import console

    mark, colour = _MARKS[finding.level]
    width = max(console().width - len(mark) - 1, 20)
    lines = textwrap.wrap(f"{finding.subject}: {finding.text}", width, break_on_hyphens=False)
    click.echo(click.style(mark, fg=colour) + f"\n{' ' * len(mark)}".join(lines))
    if finding.remedy:
        remedy = textwrap.wrap(f"→ {finding.remedy}", width, break_on_hyphens=False)
        click.echo(" " * len(mark) + f"\n{' ' * len(mark)}  ".join(remedy))
