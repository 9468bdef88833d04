"""The API, running, gets whatever its own description allows, and much that it does not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.web import web_server

if TYPE_CHECKING:
    from schemathesis import Case

    from jfcelery.project import Project
    from tests.support.queued import MakeFlow

pytestmark = pytest.mark.slow

#: Requests of each operation; more of them by hand: JFCELERY_FUZZ=500.
EXAMPLES = int(os.environ.get("JFCELERY_FUZZ", "6"))
#: What every answer must hold.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_no_request_surprises_the_api(project: Project, make_flow: MakeFlow) -> None:
    """Every answer has a status, a type and a form that the OpenAPI document names."""
    make_flow({"a": [], "b": ["a"]})
    with web_server(project, "--api-only") as server:
        schema = schemathesis.openapi.from_url(
            f"{server.url}/api/openapi.json", headers=server.authorization
        )
        # A runner would really start.
        for found in schema.exclude(path_regex="^/api/runner").get_all_operations():
            operation = found.ok()  # type: ignore[union-attr] # else it raises

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            )
            @given(case=operation.as_strategy())
            def probe(case: Case[Any]) -> None:
                case.call_and_validate(headers=server.authorization, checks=CHECKS)

            probe()
