"""Whatever is sent, the server answers in the shapes of its own OpenAPI document and never with a fault of its own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from fake_project import TOKEN
from hypothesis import HealthCheck, settings

from weft.server.app import make_app, openapi_schema
from weft.server.describe import openapi_text
from weft.server.security import GuardSettings
from weft.server.site import Site

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import response_schema_conformance

HEADERS = {"host": "localhost:8765", "authorization": f"Bearer {TOKEN}"}
# these start processes, or stream without end; tests of their own hold them
LEFT_OUT = {"/api/run/start", "/api/run/stop", "/api/jobs", "/api/jobs/{job_id}/stop", "/api/events"}
LEFT_OUT |= {"/api/settings/check", "/api/items/{name}/try_ctf"}

schema = schemathesis.openapi.from_dict(
    {
        **openapi_schema(),
        "paths": {path: kind for path, kind in openapi_schema()["paths"].items() if path not in LEFT_OUT},
    }
)


@pytest.fixture(scope="session")
def fuzzed_app(made_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server whose project the fuzzer may spoil."""
    import shutil

    folder = tmp_path_factory.mktemp("fuzzed") / "hiv"
    shutil.copytree(made_project, folder)
    return make_app(Site(folder), GuardSettings(TOKEN))


@pytest.mark.filterwarnings("ignore")
@schema.parametrize()  # type: ignore[untyped-decorator, unused-ignore]
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_makes_a_fault(case: Any, fuzzed_app: Any) -> None:
    response = case.call(app=fuzzed_app, headers=HEADERS, base_url="http://localhost:8765")
    case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])


def test_the_committed_document_is_what_the_server_says() -> None:
    committed = Path(__file__).resolve().parents[2] / "web" / "openapi.json"
    assert committed.read_text(encoding="utf-8") == openapi_text(), (
        "run `python -m weft.server.describe web/openapi.json && cd web && npm run types`"
    )
