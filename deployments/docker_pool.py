"""The second work pool: each run in a container of its own, of ``deployments/Dockerfile``'s image.

Made on demand, ``python -m deployments.register ENVIRONMENT --docker``, by these variables:

``TT_DEPLOY_IMAGE``
    the image, best by digest (default ``tt-deploy:local``)
``TT_DOCKER_HOST``
    the engine that builds images: ``tcp://builder:2376``, or a socket of the worker's machine,
    ``unix:///var/run/docker.sock``, which is then mounted; empty: the runs cannot build
``TT_DOCKER_GROUP``
    the number of the group that may use that socket
``TT_DOCKER_NETWORK``
    the network that runs are connected to; ``host`` for the machine's own

None of them is a secret, and the template has no field for one: a run loads its blocks itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

WORK_POOL = "tt-deploy-docker"
_HOME = "/var/lib/prefect"
_USER = 10001
_SOCKET = "unix://"
_TEXT_OR_NONE = {"type": ["string", "null"]}
_TEXTS = {"type": "array", "items": {"type": "string"}}

_FIELDS: dict[str, dict[str, Any]] = {
    "image": {
        "type": "string",
        "title": "Image",
        "description": "The image of deployments/Dockerfile, best by digest.",
    },
    "image_pull_policy": {
        "enum": ["IfNotPresent", "Always", "Never"],
        "title": "Image pull policy",
        "description": "When the engine asks the registry for the image.",
    },
    "env": {
        "type": "object",
        "additionalProperties": _TEXT_OR_NONE,
        "title": "Environment variables",
        "description": "Never a secret: they are stored as they stand.",
    },
    "networks": {
        **_TEXTS,
        "title": "Networks",
        "description": "Of the engine; from there server, AWS and GitHub must be reached.",
    },
    "network_mode": {
        **_TEXT_OR_NONE,
        "title": "Network mode",
        "description": "'host': the machine's own network instead.",
    },
    "volumes": {
        **_TEXTS,
        "title": "Volumes",
        "description": "The clones of the application; the engine's socket, if it has one.",
    },
    "mem_limit": {
        **_TEXT_OR_NONE,
        "title": "Memory limit",
        "description": "Of one run: 512m, 1g.",
    },
    "command": {**_TEXT_OR_NONE, "title": "Command", "description": "Made by the worker."},
    "name": {**_TEXT_OR_NONE, "title": "Name", "description": "Empty: the run's."},
    "labels": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "title": "Labels",
        "description": "Of the container.",
    },
}
"""What a deployment may say of its containers; all else is fixed."""


@dataclass(frozen=True, slots=True)
class DockerPool:
    """How runs of the pool are contained."""

    image: str = "tt-deploy:local"
    docker_host: str = ""
    docker_group: str = ""
    network: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """As the variables say it; an empty one counts as none."""
        return cls(
            image=environment.get("TT_DEPLOY_IMAGE") or cls().image,
            docker_host=environment.get("TT_DOCKER_HOST", ""),
            docker_group=environment.get("TT_DOCKER_GROUP", ""),
            network=environment.get("TT_DOCKER_NETWORK", ""),
        )

    def job_template(self) -> dict[str, Any]:
        """The base job template of the pool."""
        defaults = self._defaults()
        fields = {name: {**field, "default": defaults[name]} for name, field in _FIELDS.items()}
        return {
            "job_configuration": {
                **{name: f"{{{{ {name} }}}}" for name in fields},
                "auto_remove": True,
                "stream_output": True,
                "privileged": False,
                "container_create_kwargs": self._containment(),
            },
            "variables": {"type": "object", "properties": fields},
        }

    def _defaults(self) -> dict[str, Any]:
        socket = self.docker_host.removeprefix(_SOCKET)
        mounted = [f"{socket}:{socket}"] if self.docker_host.startswith(_SOCKET) else []
        engine = {"DOCKER_HOST": self.docker_host} if self.docker_host else {}
        on_host = self.network == "host"
        return {
            "image": self.image,
            "image_pull_policy": "IfNotPresent",
            "env": {"PREFECT_HOME": _HOME, **engine},
            "networks": [self.network] if self.network and not on_host else [],
            "network_mode": "host" if on_host else None,
            "volumes": ["tt-deploy-git:/var/lib/tt-deploy", *mounted],
            "mem_limit": "1g",
            "command": None,
            "name": None,
            "labels": {},
        }

    def _containment(self) -> dict[str, Any]:
        """As for the services of ``deployments/server``: nothing to write on, nothing to gain."""
        return {
            "init": True,
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "tmpfs": {"/tmp": "", _HOME: f"uid={_USER},mode=700"},  # noqa: S108 - inside it
            "group_add": [self.docker_group] if self.docker_group else [],
        }
