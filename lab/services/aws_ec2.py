"""moto in one process with us: EC2 and STS on the wire, instances that survive a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import RLock
from typing import Any
from unittest.mock import patch

from moto.backends import get_backend
from moto.ec2.models import instances as moto_instances
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from starlette.requests import Request
from starlette.responses import Response
from werkzeug.test import EnvironBuilder, run_wsgi_app

ACCOUNT = "123456789012"
READING = ("Action=Describe", "Action=Get")
HOP_BY_HOP = frozenset({"content-length", "connection", "transfer-encoding"})


class Ec2:
    """moto's EC2 in one region, with its instances written down after every change."""

    def __init__(self, ledger: Path, region: str) -> None:
        self._ledger = ledger
        self._region = region
        self._lock = RLock()
        self._wsgi = DomainDispatcherApplication(create_backend_app)
        self._backend: Any = get_backend("ec2")[ACCOUNT][region]
        self._restore()

    def tags(self) -> dict[str, dict[str, str]]:
        """The tags of every instance that is not terminated, by its id."""
        with self._lock:
            return {
                instance.id: {tag["key"]: tag["value"] for tag in instance.get_tags()}
                for instance in self._instances()
                if instance.state != "terminated"
            }

    def knows(self, instance_id: str) -> bool:
        """Whether there is such an instance, not terminated."""
        return instance_id in self.tags()

    def forward(self, request: Request, body: bytes) -> Response:
        """Let moto answer a request; keep the instances if it may have changed them."""
        environ = EnvironBuilder(
            method=request.method,
            path=request.url.path,
            query_string=request.url.query,
            headers=list(request.headers.items()),
            data=body,
            base_url=f"http://{request.headers.get('host', 'localhost')}",
        ).get_environ()
        with self._lock:
            parts, status, headers = run_wsgi_app(self._wsgi, environ, buffered=True)
            content = b"".join(parts)
            if not body.decode("latin-1").startswith(READING):
                self._save()
        kept = {k: v for k, v in headers.items() if k.lower() not in HOP_BY_HOP}
        return Response(content, int(status.split()[0]), kept)

    def _instances(self) -> Iterator[Any]:
        for reservation in self._backend.reservations.values():
            yield from reservation.instances

    def _save(self) -> None:
        tags = self.tags()
        rows = [
            {
                "id": instance.id,
                "image_id": instance.image_id,
                "instance_type": instance.instance_type,
                "private_ip": instance.private_ip,
                "state": instance.state,
                "tags": tags[instance.id],
            }
            for instance in self._instances()
            if instance.id in tags
        ]
        self._ledger.parent.mkdir(parents=True, exist_ok=True)
        draft = self._ledger.with_suffix(".draft")
        draft.write_text(json.dumps(rows, indent=2))
        draft.rename(self._ledger)

    def _restore(self) -> None:
        if not self._ledger.exists():
            return
        for row in json.loads(self._ledger.read_text()):
            # moto invents an id for each instance; a restored one keeps its own.
            with patch.object(moto_instances, "random_instance_id", return_value=row["id"]):
                self._run(row)
            if row["state"] in ("stopped", "stopping"):
                self._backend.stop_instances([row["id"]])

    def _run(self, row: Mapping[str, Any]) -> None:
        self._backend.run_instances(
            image_id=row["image_id"],
            count=1,
            user_data=None,
            security_group_names=[],
            instance_type=row["instance_type"],
            is_instance_type_default=False,
            region_name=self._region,
            private_ip=row["private_ip"],
            tags={"instance": row["tags"]},
        )
