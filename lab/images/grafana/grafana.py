"""Answers in Grafana's place, since Grafana itself cannot be had from package registries.

Health, login page and the API's idea of who may ask are there. Data sources and dashboards are
listed as Grafana's HTTP API lists them, out of the provisioning files that are mounted; whether a
data source works is really tried. Annotations are kept. Dashboards are not drawn.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

VERSION = "12.3.0"
PORT = int(os.environ.get("GF_SERVER_HTTP_PORT", "3000"))
PROVISIONING = Path(os.environ.get("GF_PATHS_PROVISIONING", "/etc/grafana/provisioning"))
PAGE = "<!doctype html><title>Grafana (stand-in)</title><p>The lab's stand-in for Grafana.</p>"
SOURCES = "/api/datasources"
ANNOTATIONS = Path(os.environ.get("GF_PATHS_DATA", "/var/lib/grafana")) / "annotations.jsonl"
ONE_AT_A_TIME = Lock()
Json = dict[str, Any]


def setting(name: str, default: str) -> str:
    """A setting of the environment, or of the file that `NAME__FILE` points to, as in Grafana."""
    file = os.environ.get(f"{name}__FILE")
    return Path(file).read_text().strip() if file else os.environ.get(name, default)


def provisioned(kind: str, section: str) -> Iterator[Json]:
    """The entries of a section in all provisioning files of a kind."""
    for file in sorted((PROVISIONING / kind).glob("*.y*ml")):
        yield from (yaml.safe_load(file.read_text()) or {}).get(section) or []


def datasources() -> list[Json]:
    """The data sources as `GET /api/datasources` lists them."""
    return [
        {
            "id": number,
            "uid": source["uid"],
            "orgId": source.get("orgId", 1),
            "name": source["name"],
            "type": source["type"],
            "access": source.get("access", "proxy"),
            "url": source["url"],
            "isDefault": source.get("isDefault", False),
            "jsonData": source.get("jsonData", {}),
            "readOnly": not source.get("editable", False),
        }
        for number, source in enumerate(provisioned("datasources", "datasources"), start=1)
    ]


def datasource_health(uid: str) -> tuple[HTTPStatus, Json]:
    """`GET /api/datasources/uid/UID/health`: Prometheus is asked for 1+1, as the plugin does."""
    found = [source for source in datasources() if source["uid"] == uid]
    if not found:
        return HTTPStatus.NOT_FOUND, {"message": "Data source not found"}
    asked = f"{found[0]['url']}/api/v1/query?query=1%2B1"
    try:
        with urllib.request.urlopen(asked, timeout=5) as reply:  # noqa: S310 - our own file's URL
            worked = json.load(reply).get("status") == "success"
    except (urllib.error.URLError, OSError, ValueError) as error:
        return HTTPStatus.BAD_REQUEST, {"status": "ERROR", "message": str(error)}
    if not worked:
        return HTTPStatus.BAD_REQUEST, {"status": "ERROR", "message": "the query did not succeed"}
    return HTTPStatus.OK, {"status": "OK", "message": "Successfully queried the Prometheus API."}


def search(query: dict[str, list[str]]) -> list[Json]:
    """`GET /api/search`: the dashboards of all file providers; one that is no JSON is left out."""
    if query.get("type", ["dash-db"]) != ["dash-db"]:
        return []
    wanted = query.get("query", [""])[0].lower()
    found = (
        shown_dashboard(file, provider)
        for provider in provisioned("dashboards", "providers")
        for file in sorted(Path(provider["options"]["path"]).rglob("*.json"))
    )
    limit = int(query.get("limit", ["1000"])[0])
    return [one for one in found if one and wanted in one["title"].lower()][:limit]


def shown_dashboard(file: Path, provider: Json) -> Json | None:
    """One dashboard's line in a search; None for a file that Grafana would refuse."""
    try:
        dashboard = json.loads(file.read_text())
        uid, title = dashboard["uid"], dashboard["title"]
    except (ValueError, KeyError, TypeError):
        return None
    return {
        "uid": uid,
        "title": title,
        "url": f"/d/{uid}/{file.stem}",
        "type": "dash-db",
        "tags": dashboard.get("tags", []),
        "isStarred": False,
        "folderTitle": provider.get("folder", ""),
    }


def kept_annotations() -> list[Json]:
    """What was marked so far, oldest first."""
    lines = ANNOTATIONS.read_text().splitlines() if ANNOTATIONS.exists() else []
    return [json.loads(line) for line in lines]


def keep_annotation(body: Json) -> int:
    """Keep a mark with the fields that Grafana gives it; its id."""
    with ONE_AT_A_TIME:
        number = len(kept_annotations()) + 1
        now = round(time.time() * 1000)
        row = {"id": number, "time": now, "timeEnd": body.get("time", now), "tags": [], **body}
        with ANNOTATIONS.open("a") as kept:
            kept.write(json.dumps(row) + "\n")
    return number


class Grafana(BaseHTTPRequestHandler):
    """The few addresses that health checks, proxies and scripts ask for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request; everything but health and login wants the administrator."""
        path = urlsplit(self.path).path
        if path == "/api/health":
            self._json({"database": "ok", "version": VERSION, "commit": "stand-in"})
        elif path in ("/", "/login") or path.startswith("/d/"):
            self._send(HTTPStatus.OK, PAGE.encode(), "text/html")
        elif not self._is_administrator():
            self._json({"message": "Unauthorized"}, HTTPStatus.UNAUTHORIZED)
        else:
            self._answer_administrator(path)

    def do_POST(self) -> None:
        """Take an annotation; nothing else is to be changed here."""
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._is_administrator():
            self._json({"message": "Unauthorized"}, HTTPStatus.UNAUTHORIZED)
        elif self.path != "/api/annotations":
            self._json({"message": "Not found"}, HTTPStatus.NOT_FOUND)
        else:
            self._annotate(raw)

    def _annotate(self, raw: bytes) -> None:
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self._json({"message": "bad request data"}, HTTPStatus.BAD_REQUEST)
        elif not body.get("text"):
            self._json({"message": "Failed to save annotation"}, HTTPStatus.BAD_REQUEST)
        else:
            self._json({"message": "Annotation added", "id": keep_annotation(body)})

    def do_HEAD(self) -> None:
        """The same without a body."""
        self.do_GET()

    def _answer_administrator(self, path: str) -> None:
        if path == "/api/org":
            self._json({"id": 1, "name": "Main Org."})
        elif path == SOURCES:
            self._json(datasources())
        elif path.startswith(f"{SOURCES}/uid/") and path.endswith("/health"):
            status, content = datasource_health(path.removeprefix(f"{SOURCES}/uid/")[:-7])
            self._json(content, status)
        elif path == "/api/search":
            self._json(search(parse_qs(urlsplit(self.path).query)))
        elif path == "/api/annotations":
            wanted = set(parse_qs(urlsplit(self.path).query).get("tags", []))
            self._json([row for row in kept_annotations()[::-1] if wanted <= set(row["tags"])])
        else:
            self._json({"message": "Not found"}, HTTPStatus.NOT_FOUND)

    def _is_administrator(self) -> bool:
        user = os.environ.get("GF_SECURITY_ADMIN_USER", "admin")
        password = setting("GF_SECURITY_ADMIN_PASSWORD", "admin")
        expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return hmac.compare_digest(
            self.headers.get("Authorization", "").encode(), expected.encode()
        )

    def _json(self, content: object, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", PORT), Grafana).serve_forever()  # noqa: S104  # in a container
