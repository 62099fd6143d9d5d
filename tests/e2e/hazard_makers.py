"""How the hazards of `tests.e2e.hazards` are made in the lab, and mended."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.e2e.conftest import RunningLab

TOKEN_FILE = "/etc/tt-secrets/doppler-token"
CLONE = "/dockerProjects/tt-src/WEB7_9_B2ST_BE"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

Break = Callable[[RunningLab], None]


def shell(lab: RunningLab, script: str) -> str:
    return lab.exec("bash", "-c", script)


def secrets(lab: RunningLab, **values: str | None) -> dict[str, str]:
    """Doppler's values, some of them changed first (None: removed)."""
    url = f"{lab.status['doppler_url']}/_lab/secrets"
    reply = httpx.put(url, json=values, trust_env=False)
    return dict(reply.raise_for_status().json())


def token(lab: RunningLab, **fields: Any) -> None:
    """Change what Doppler knows of the service token that the host and the worker have."""
    known = {"text": lab.env["TT_DOPPLER_TOKEN"], "slug": "of-the-lab", **fields}
    url = f"{lab.status['doppler_url']}/_lab/tokens"
    httpx.post(url, json=known, trust_env=False).raise_for_status()


def github_token(lab: RunningLab, **fields: Any) -> None:
    """Change what GitHub knows of the worker's token."""
    known = {"text": lab.env["TT_GITHUB_TOKEN"], **fields}
    url = f"{lab.status['github_url']}/_lab/tokens"
    httpx.post(url, json=known, trust_env=False).raise_for_status()


def in_days(days: float) -> float:
    """A moment from now, in seconds since 1970."""
    return time.time() + days * 86_400


def latest_for(lab: RunningLab, architecture: str) -> None:
    """Have the newest image call itself one of this architecture; its layers stay."""
    repository = f"http://{lab.status['registry']}/v2/{lab.status['repository']}"
    login = (lab.env["TT_REGISTRY_USERNAME"], lab.env["TT_REGISTRY_PASSWORD"])
    headers = {"Accept": f"{_MANIFEST}, {_OCI_MANIFEST}"}
    with httpx.Client(auth=login, headers=headers, trust_env=False) as registry:
        manifest = registry.get(f"{repository}/manifests/latest").raise_for_status().json()
        stored = registry.get(f"{repository}/blobs/{manifest['config']['digest']}")
        configuration = stored.raise_for_status().json() | {"architecture": architecture}
        blob = json.dumps(configuration).encode()
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        begun = registry.post(f"{repository}/blobs/uploads/").raise_for_status()
        where = begun.url.join(begun.headers["location"]).copy_merge_params({"digest": digest})
        registry.put(where, content=blob).raise_for_status()
        manifest["config"] |= {"digest": digest, "size": len(blob)}
        kind = {"Content-Type": manifest["mediaType"]}
        said = registry.put(
            f"{repository}/manifests/latest", content=json.dumps(manifest), headers=kind
        )
        said.raise_for_status()


def fault(*words: str) -> Break:
    return lambda lab: print(lab.command("fault", *words))


def on_host(script: str) -> Break:
    return lambda lab: print(shell(lab, script))


def lose_the_agent(lab: RunningLab) -> None:
    """Kill it, and wait until Systems Manager has noticed."""
    lab.command("fault", "1", "kill-agent")
    time.sleep(11)


def take_the_port(lab: RunningLab) -> None:
    shell(
        lab,
        "docker stop tt-gateway-1 >/dev/null; "
        "setsid python3 -m http.server 8080 >/dev/null 2>&1 </dev/null & "
        "for n in 1 2 3 4 5 6 7 8; do curl -s localhost:8080 >/dev/null && break; sleep 0.3; done",
    )


def give_the_port_back(lab: RunningLab) -> None:
    shell(lab, "kill $(pgrep -f '^python3 -m http.server 8080'); docker start tt-gateway-1")


def agent_again(lab: RunningLab) -> None:
    lab.command("fault", "1", "clear")
    time.sleep(3)
