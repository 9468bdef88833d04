"""Lists of jobs or flows that show themselves in a notebook, and become a frame of pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from jfcelery.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

    from jfcelery.controller.info import FlowInfo, JobInfo

T = TypeVar("T", "JobInfo", "FlowInfo")

#: Rows that a notebook shows; the rest is a number.
SHOWN = 100


class Listing(list[T]):
    """A list of jobs or flows.

    In a notebook it is shown as a table.
    """

    def _repr_html_(self) -> str:
        from jfcelery.notebook import listing_table

        return listing_table(self[:SHOWN], more=max(0, len(self) - SHOWN))

    def to_frame(self) -> DataFrame:
        """Return a frame of pandas: a row for each, by its db id, and a column for each field.

        Raises:
            InputError: pandas is not installed.
        """
        rows = [item.model_dump(exclude={"jobs_info"}) for item in self]
        frame = pandas().DataFrame(rows)
        return frame.set_index("db_id") if rows else frame


def pandas() -> Any:
    """Return the module pandas.

    Raises:
        InputError: It is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise InputError(
            "A frame needs pandas, which is not installed.", remedy="Run: pip install pandas"
        ) from None
    return pd
