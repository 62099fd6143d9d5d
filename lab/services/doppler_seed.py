"""What the lab's Doppler holds at first: every variable that the stack requires."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from lab.settings import LabSettings

REQUIRED = re.compile(r"^([A-Z][A-Z0-9_]*)=\s*$", re.MULTILINE)
GATEWAY = "172.16.77.1"
"""Where the stack's containers reach their host, and by its forwards the lab's services."""
BY_THE_DEPLOY = frozenset({"APP_IMAGE", "ALERTMANAGER_CONFIG"})
"""Required by Compose, but set by whoever deploys."""

SENSIBLE = {
    "POSTGRES_USER": "tt",
    "POSTGRES_DB": "tt",
    "DDL_AUTO": "update",
    "MAIL_HOST": "127.0.0.1",
    "MAIL_PORT": "587",
    "MAIL_USERNAME": "noreply@tt.example",
    "SPRING_MAIL_HOST": "127.0.0.1",
    "SPRING_MAIL_PORT": "587",
    "SPRING_MAIL_USERNAME": "noreply@tt.example",
    "AWS_S3_BUCKET": "tt-lab-uploads",
    "JWT_ACCESS_EXPIRATION": "3600000",
    "JWT_REFRESH_EXPIRATION": "1209600000",
    "KAKAO_ISSUER": "https://kauth.kakao.example",
    "KAKAO_REDIRECT_URI": "https://tt.example/login/oauth2/code/kakao",
    "KAKAO_TOKEN_URI": "https://kauth.kakao.example/oauth/token",
    "KAKAO_USER_INFO_URI": "https://kapi.kakao.example/v2/user/me",
    # Inside the instance these listen on every address; the lab publishes them on loopback only.
    "MONITORING_BIND_ADDRESS": "0.0.0.0",  # noqa: S104
}
"""Values that must mean something; whatever is not here is a random text."""

ALWAYS = ("GITHUB_TOKEN", "SLACK_WEBHOOK_AUTH", "GRAFANA_PASSWORD", "MONITORING_BIND_ADDRESS")
"""Seeded whether or not the file names them."""


def seed_values(settings: LabSettings, example: Path) -> dict[str, str]:
    """A value for every name that `.env.example` requires, and the lab's own."""
    text = example.read_text() if example.exists() else ""
    names = dict.fromkeys([*REQUIRED.findall(text), *ALWAYS])
    known = {
        **SENSIBLE,
        "AWS_REGION": settings.region,
        "GITHUB_TOKEN": settings.registry_password,
        "SLACK_WEBHOOK_AUTH": f"http://{GATEWAY}:{settings.ports['slack']}{settings.slack_path}",
    }
    return {
        name: known.get(name) or secrets.token_urlsafe(32)
        for name in names
        if name not in BY_THE_DEPLOY
    }
