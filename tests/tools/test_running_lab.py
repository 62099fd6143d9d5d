"""tools.running_lab: what the demo reads of the lab and of Prefect."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tools.running_lab import Artifact, artifacts_of, exports_in, latest_run, report_of


class Prefect:
    """A server on loopback that answers each path with prepared rows, and notes the question."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[dict[str, Any]] = []
        prefect = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                prefect.asked.append(json.loads(self.rfile.read(length)))
                body = json.dumps(prefect.rows[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: pytest's output is for pytest."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"

    def __enter__(self) -> "Prefect":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


@pytest.fixture
def prefect() -> Iterator[Prefect]:
    with Prefect() as server:
        yield server


def artifact(id: str, key: str, kind: str = "markdown", created: str = "1") -> dict[str, Any]:
    return {"id": id, "key": key, "type": kind, "data": f"text of {id}", "created": created}


def test_exports_are_read_as_a_shell_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    script = "export PATH='/lab bin':\"$PATH\"\nexport TT_LAB_APP_URL=http://127.0.0.1:1/\n"
    assert exports_in(script) == {
        "PATH": "/lab bin:/usr/bin",
        "TT_LAB_APP_URL": "http://127.0.0.1:1/",
    }


def test_a_value_may_hold_an_equals_sign() -> None:
    assert exports_in("export TOKEN='a=b=c'") == {"TOKEN": "a=b=c"}


def test_the_latest_run_is_the_newest_that_started(prefect: Prefect) -> None:
    prefect.rows["/api/flow_runs/filter"] = [{"id": "newest"}]
    assert latest_run(prefect.url, "deploy") == "newest"
    assert prefect.asked[0]["sort"] == "START_TIME_DESC"
    assert prefect.asked[0]["flows"] == {"name": {"any_": ["deploy"]}}


def test_a_flow_that_never_ran_has_no_latest_run(prefect: Prefect) -> None:
    prefect.rows["/api/flow_runs/filter"] = []
    with pytest.raises(LookupError, match="has not run yet"):
        latest_run(prefect.url, "deploy")


def test_artifacts_come_oldest_first(prefect: Prefect) -> None:
    prefect.rows["/api/artifacts/filter"] = [
        artifact("late", "image", created="2026-11-23T02:00:00Z"),
        artifact("early", "release-notes", created="2026-11-23T01:00:00Z"),
    ]
    assert [each.id for each in artifacts_of(prefect.url, "run")] == ["early", "late"]


def test_the_report_is_the_newest_artifact_under_the_environments_key(prefect: Prefect) -> None:
    prefect.rows["/api/artifacts/filter"] = [
        artifact("notes", "release-notes-lab", created="1"),
        artifact("first", "deploy-lab", created="2"),
        artifact("second", "deploy-lab", created="3"),
        artifact("elsewhere", "deploy-production", created="4"),
    ]
    report = report_of(prefect.url, "run")
    assert report == Artifact("second", "deploy-lab", "markdown", "text of second")


def test_a_run_without_a_report_says_so(prefect: Prefect) -> None:
    prefect.rows["/api/artifacts/filter"] = [artifact("notes", "release-notes")]
    with pytest.raises(LookupError, match="run-7 left no report"):
        report_of(prefect.url, "run-7")
