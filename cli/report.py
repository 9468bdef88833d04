"""What the reports on jobs and on flows have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from jfcelery.cli.options import add_options, json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jfcelery.controller.tables import Report

_F = TypeVar("_F", bound="Callable[..., Any]")
#: Length of the longest bar, in characters.
BAR = 30


def report_arguments(tables: Sequence[str]) -> Callable[[_F], _F]:
    """Return the decorator for the arguments of a report.

    Args:
        tables: What the rows of its tables may stand for; the first one is the usual.
    """
    by = click.option(
        "--by",
        type=click.Choice(tables),
        help=f"With --csv: what a row stands for. [default: {tables[0]}]",
    )
    return add_options(
        (
            click.argument(
                "interval",
                metavar="[INTERVAL]",
                type=click.Choice(["hours", "days", "weeks", "months", "years"]),
                default="days",
            ),
            click.argument("number", metavar="[NUM]", type=click.IntRange(1), required=False),
            json_option,
            click.option("--csv", "as_csv", is_flag=True, help="Write one of the tables as CSV."),
            by,
        )
    )


def print_report(
    found: Report, show: Callable[[], object], *, as_json: bool, as_csv: bool, by: str | None
) -> None:
    """Write a report in the form that was asked for.

    Args:
        found: The report.
        show: Shows it to a person.
        as_json: Whether it is written as JSON.
        as_csv: Whether one of its tables is written as CSV.
        by: Which one.
    """
    from jfcelery.cli.output import write_json
    from jfcelery.controller.tables import table_of, to_csv

    if by and not as_csv:
        raise click.UsageError("--by goes with --csv.")
    if as_csv and as_json:
        raise click.UsageError("Give only one of --json and --csv.")
    if as_json:
        write_json(found)
    elif as_csv:
        click.echo(to_csv(*table_of(found, by or "period")), nl=False)
    else:
        show()


def print_counts(title: str, counts: Mapping[Any, int]) -> None:
    """Print the number in each state, with a bar."""
    from jfcelery.cli.output import STATE_STYLES, console, styled_state, table

    most = max([*counts.values(), 1])
    shown = table(title, ["State", "Number", ""])
    for state, number in counts.items():
        if number:
            bar = "█" * max(1, round(BAR * number / most))
            shown.add_row(
                styled_state(state), str(number), f"[{STATE_STYLES.get(state, 'default')}]{bar}[/]"
            )
    console().print(shown)


def print_trends(trends: Mapping[str, Mapping[Any, int]], zone: str) -> None:
    """Print the numbers of each period."""
    from jfcelery.cli.output import console, styled_state, table

    states = list(next(iter(trends.values())))
    shown = table("Over time", [f"Period \\[{zone}]", *map(styled_state, states)])
    for period, numbers in trends.items():
        shown.add_row(period, *(str(numbers[state] or "") for state in states))
    console().print(shown)
