"""The queue database: where the states of jobs and flows are kept."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from jfcelery.project.model import ConfigModel
from jfcelery.project.mongo import MongoTarget, mongo_target
from jfcelery.project.stores import check_queue_store

_CollectionName = Annotated[str, Field(min_length=1)]


class QueueConfig(ConfigModel):
    """The database that holds the states of jobs and flows."""

    store: Annotated[dict[str, Any], AfterValidator(check_queue_store)] = Field(
        default_factory=dict,
        description="A maggma `MongoStore` (or `MongoURIStore`): its `type` and arguments, or its "
        "serialised form. Its collection holds the jobs. By default the embedded database.",
    )
    flows_collection: _CollectionName = Field(
        default="flows", description="Name of the collection, in the same database, for the flows."
    )
    auxiliary_collection: _CollectionName = Field(
        default="jf_auxiliary",
        description="Name of the collection, in the same database, for counters.",
    )
    batches_collection: _CollectionName = Field(
        default="batches", description="Name of the collection, in the same database, for pilots."
    )
    db_id_prefix: str | None = Field(
        default=None, description="Prefix of the jobs' numbers in the database; by default none."
    )

    @property
    def target(self) -> MongoTarget | None:
        """The MongoDB server, database and collection; None for the embedded one."""
        return mongo_target(self.store) if self.store else None
