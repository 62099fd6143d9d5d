"""Answers in Grafana's place, since Grafana itself cannot be had from package registries.

Health, login page and the API's idea of who may ask are there; dashboards are not drawn.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 3000
VERSION = "12.3.0"
PROVISIONING = Path("/etc/grafana/provisioning")
PAGE = "<!doctype html><title>Grafana (stand-in)</title><p>The lab's stand-in for Grafana.</p>"


def setting(name: str, default: str) -> str:
    """A setting of the environment, or of the file that `NAME__FILE` points to, as in Grafana."""
    file = os.environ.get(f"{name}__FILE")
    return Path(file).read_text().strip() if file else os.environ.get(name, default)


class Grafana(BaseHTTPRequestHandler):
    """The few addresses that health checks, proxies and scripts ask for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request; everything but health and login wants the administrator."""
        path = self.path.partition("?")[0]
        if path == "/api/health":
            self._json({"database": "ok", "version": VERSION, "commit": "stand-in"})
        elif path in ("/", "/login"):
            self._send(HTTPStatus.OK, PAGE.encode(), "text/html")
        elif not self._is_administrator():
            self._json({"message": "Unauthorized"}, HTTPStatus.UNAUTHORIZED)
        elif path == "/api/org":
            self._json({"id": 1, "name": "Main Org."})
        elif path == "/api/lab/provisioned":
            self._json(
                sorted(str(f.relative_to(PROVISIONING)) for f in PROVISIONING.rglob("*.y*ml"))
            )
        else:
            self._json({"message": "Not found"}, HTTPStatus.NOT_FOUND)

    def do_HEAD(self) -> None:
        """The same without a body."""
        self.do_GET()

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
