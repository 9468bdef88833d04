"""What the reports on jobs and on flows have in common."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.options import add_options, json_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Length of the longest bar, in characters.
BAR = 30

report_arguments = add_options(
    (
        click.argument(
            "interval",
            metavar="[INTERVAL]",
            type=click.Choice(["hours", "days", "weeks", "months", "years"]),
            default="days",
        ),
        click.argument("number", metavar="[NUM]", type=click.IntRange(1), required=False),
        json_option,
        click.option("--csv", "as_csv", is_flag=True, help="Write the table of periods as CSV."),
    )
)


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


def write_csv(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as CSV to stdout."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows(rows)


def write_trends(trends: Mapping[str, Mapping[Any, int]]) -> None:
    """Write the numbers of each period as CSV."""
    states = list(next(iter(trends.values())))
    write_csv(["period", *states], ([p, *numbers.values()] for p, numbers in trends.items()))
