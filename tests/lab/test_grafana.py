"""Grafana's stand-in: what it tells of the files that are provisioned, and to whom."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.fakes import served
from tests.free_ports import free_port
from tests.prefect_servers import ROOT
from tests.stack.files import MONITORING

PROGRAM = ROOT / "lab" / "images" / "grafana" / "grafana.py"
PASSWORD = "password-of-grafana"


@pytest.fixture(scope="module")
def grafana(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The stand-in with the stack's own dashboards and a data source that answers."""

    def prometheus(request: httpx.Request) -> httpx.Response:
        assert (request.url.path, request.url.params["query"]) == ("/api/v1/query", "1+1")
        return httpx.Response(200, json={"status": "success"})

    folder = tmp_path_factory.mktemp("grafana")
    with served(prometheus) as (at,):
        provision(folder, at.url)
        environment = {
            "GF_PATHS_PROVISIONING": str(folder),
            "GF_PATHS_DATA": str(folder),
            "GF_SERVER_HTTP_PORT": str(port := free_port()),
            "GF_SECURITY_ADMIN_PASSWORD": PASSWORD,
        }
        with subprocess.Popen([sys.executable, str(PROGRAM)], env=environment) as running:
            client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)
            try:
                wait_for(client)
                yield client
            finally:
                running.kill()


def provision(folder: Path, url: str) -> None:
    """The stack's provisioning files, with what they point to in other places."""
    given = MONITORING / "grafana" / "provisioning"
    sources = yaml.safe_load((given / "datasources" / "prometheus.yml").read_text())
    sources["datasources"][0]["url"] = url
    sources["datasources"].append({"name": "Gone", "uid": "gone", "type": "prometheus"})
    sources["datasources"][1]["url"] = f"http://127.0.0.1:{free_port()}"
    providers = yaml.safe_load((given / "dashboards" / "tt.yml").read_text())
    providers["providers"][0]["options"]["path"] = str(MONITORING / "grafana" / "dashboards")
    for name, content in (("datasources", sources), ("dashboards", providers)):
        (folder / name).mkdir()
        (folder / name / "all.yml").write_text(yaml.safe_dump(content))


def wait_for(client: httpx.Client) -> None:
    due = time.monotonic() + 30
    while time.monotonic() < due:
        try:
            client.get("/api/health").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Grafana's stand-in does not start")


def test_health_is_for_everybody_and_the_rest_for_the_administrator(grafana: httpx.Client) -> None:
    assert grafana.get("/api/health").json()["database"] == "ok"
    for path in ("/api/datasources", "/api/search", "/api/datasources/uid/prometheus/health"):
        assert grafana.get(path).status_code == 401
        assert grafana.get(path, auth=("admin", "wrong")).status_code == 401


def test_data_sources_are_those_of_the_files(grafana: httpx.Client) -> None:
    listed = grafana.get("/api/datasources", auth=("admin", PASSWORD)).json()
    assert [(each["uid"], each["isDefault"], each["readOnly"]) for each in listed] == [
        ("prometheus", True, True),
        ("gone", False, True),
    ]


@pytest.mark.parametrize(
    ("uid", "status", "said"), [("prometheus", 200, "OK"), ("gone", 400, "ERROR")]
)
def test_whether_a_data_source_works_is_really_tried(
    grafana: httpx.Client, uid: str, status: int, said: str
) -> None:
    answer = grafana.get(f"/api/datasources/uid/{uid}/health", auth=("admin", PASSWORD))
    assert (answer.status_code, answer.json()["status"]) == (status, said)


def test_a_data_source_that_is_not_there_is_not_found(grafana: httpx.Client) -> None:
    answer = grafana.get("/api/datasources/uid/none/health", auth=("admin", PASSWORD))
    assert answer.status_code == 404


def test_dashboards_are_found_by_title_and_type(grafana: httpx.Client) -> None:
    def found(query: str) -> list[str]:
        answer = grafana.get(f"/api/search?{query}", auth=("admin", PASSWORD)).json()
        return [each["uid"] for each in answer]

    assert len(found("type=dash-db")) == len(list((MONITORING / "grafana/dashboards").iterdir()))
    assert found("query=jvm") == ["tt-jvm"]
    assert len(found("limit=2")) == 2
    assert found("type=dash-folder") == []


def test_annotations_are_kept_and_found_by_all_of_their_tags(grafana: httpx.Client) -> None:
    who = ("admin", PASSWORD)
    mark = {"time": 1, "timeEnd": 2, "tags": ["deploy", "lab", "1.1.0"], "text": "live"}
    assert grafana.post("/api/annotations", json=mark).status_code == 401
    made = grafana.post("/api/annotations", json=mark, auth=who).json()
    assert made == {"message": "Annotation added", "id": 1}

    def found(query: str) -> list[int]:
        return [row["id"] for row in grafana.get(f"/api/annotations{query}", auth=who).json()]

    assert found("") == found("?tags=deploy&tags=1.1.0") == [1]
    assert found("?tags=deploy&tags=1.2.0") == []


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}"])
def test_an_annotation_that_grafana_would_refuse_is_refused(
    grafana: httpx.Client, content: bytes
) -> None:
    answer = grafana.post("/api/annotations", content=content, auth=("admin", PASSWORD))
    assert answer.status_code == 400
    assert grafana.post("/api/other", auth=("admin", PASSWORD)).status_code == 404
