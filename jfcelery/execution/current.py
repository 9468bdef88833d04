"""What a running job can know about itself: the queue's document of it.

from jfcelery import CURRENT_JOBDOC

CURRENT_JOBDOC.job_doc.db_id
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PublicJobDoc(BaseModel):
    """The public part of a job's document, as it was when the job was uploaded.

    Further fields of the document are attributes as well.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    uuid: str
    index: int
    db_id: str | None = None
    worker: str | None = None


class CurrentJobDoc:
    """Holds the document of the job that runs in this process, like jobflow's ``CURRENT_JOB``.

    Attributes:
        job_doc: The document; None outside of a job that jfcelery runs.
    """

    job_doc: PublicJobDoc | None = None

    def reset(self) -> None:
        """Forget the job."""
        self.job_doc = None


CURRENT_JOBDOC = CurrentJobDoc()
