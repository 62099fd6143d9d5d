"""A host that is well, as facts, and what a test changes about it."""

import json
from pathlib import Path
from typing import Any

from delivery.diagnosis import diagnose
from delivery.diagnosis_words import Told
from delivery.findings import Finding
from delivery.host_facts import HostFacts
from delivery.policies import HostLayout
from delivery.scene import Scene
from tests.scripted_hosts import healthy_facts

CAPTURED = Path(__file__).parents[1] / "golden" / "diagnosis"
SCENE = Scene("lab", "TT-ec2-1", HostLayout(), "tt", "prd", "ghcr.io", 6)
NOW = 1_795_646_768


def container(service: str, **changes: Any) -> dict[str, Any]:
    """A container that is well, but for what a test says."""
    name = {"name": f"/tt-{service}-1", "service": service, "id": "0123456789ab"}
    return {**name, "state": "running", "health": "healthy", **changes}


def facts(**changes: Any) -> HostFacts:
    """What a host that is well answers, but for what a test says."""
    said = {"ok": True, "step": "diagnose", "now": NOW, **healthy_facts(), **changes}
    return HostFacts.model_validate(said)


def findings(told: Told | None = None, **changes: Any) -> list[Finding]:
    """The findings on a host with these facts."""
    return diagnose(SCENE, facts(**changes), told)


def causes(told: Told | None = None, **changes: Any) -> list[str]:
    """Their causes, the first one first."""
    return [finding.cause.value for finding in findings(told, **changes)]


def captured(name: str) -> HostFacts:
    """Facts as a host of the lab really gave them."""
    return HostFacts.model_validate(json.loads((CAPTURED / f"{name}.json").read_text()))
