"""Hazards of a deploy that preflight must find: each really made in the lab, and mended again."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.breaking import CLONE, RECORD, TOKEN, Broken
from tests.e2e.endpoints import endpoint_ending

_EDITED = f"{CLONE}/docker/docker-compose.yml"
_GIT = f"git -c safe.directory='*' -C {CLONE}"
_PROFILE = "  SPRING_PROFILES_ACTIVE: prod\n"
_CERTIFICATE = "/root/fault.pem"


@dataclass(frozen=True)
class Fault:
    """A fault, how it is made for a while, and what must be found first."""

    name: str
    made: Callable[[Broken], AbstractContextManager[Any]]
    """What it yields, if anything, adds to the policy."""
    first: str
    level: str
    words: str
    policy: Mapping[str, Any] = field(default_factory=dict)
    """What the environment's preflight policy says for this look, where it matters."""


def _in_days(days: float) -> float:
    """A moment from now, in seconds since 1970."""
    return time.time() + days * 86_400


FAULTS = [
    Fault(
        "a secret is missing in Doppler",
        lambda host: host.secret("MAIL_HOST", None),
        "variables", "fail", "MAIL_HOST",
    ),
    Fault(
        "the Doppler token has expired",
        lambda host: host.token_expired(),
        "doppler", "fail", "expired or was revoked",
    ),
    Fault(
        "the Doppler token is of another project",
        lambda host: host.doppler_token(project="other"),
        "doppler", "fail", "valid, but not for tt/prd",
    ),
    Fault(
        "the Doppler token may not read secrets",
        lambda host: host.service("doppler", "forbidden", "secrets/download"),
        "doppler", "fail", "valid, but its scope does not let it read secrets",
    ),
    Fault(
        "Doppler answers with errors",
        lambda host: host.service("doppler", "error", "secrets/download"),
        "doppler", "fail", "Doppler does not answer",
    ),
    Fault(
        "the token file is missing",
        lambda host: host.token_removed(),
        "token file", "fail", "does not exist",
    ),
    Fault(
        "the token file is not root's",
        lambda host: host.undone_by(f"chown 1 {TOKEN}", f"chown 0 {TOKEN}"),
        "token file", "fail", "it belongs to user 1, not to root",
    ),
    Fault(
        "there is no clone",
        lambda host: host.undone_by(f"mv {CLONE} {CLONE}.aside", f"mv {CLONE}.aside {CLONE}"),
        "git clone", "fail", "no git clone",
    ),
    Fault(
        "others can read the token file",
        lambda host: host.token_exposed(),
        "token file", "fail", "mode 644",
    ),
    Fault(
        "CR LF in the token file",
        lambda host: host.undone_by(
            f"sed -i 's/$/\\r/' {TOKEN}",
            f"sed -i 's/\\r$//' {TOKEN}",
        ),
        "token text", "warn", "carriage return",
    ),
    Fault(
        "the token file holds the old token and the new one",
        lambda host: host.undone_by(
            f"cp -p {TOKEN} {TOKEN}.aside; printf '\\ndp.st.prd.new\\n' >> {TOKEN}",
            f"mv {TOKEN}.aside {TOKEN}",
        ),
        "token text", "fail", "holds more than a token",
    ),
    Fault(
        "the disk is nearly full",
        lambda host: host.undone_by(
            "free=$(df --output=avail --block-size=1M /disk | tail -n 1); "
            'fallocate --length "$((free - 300))M" /disk/fault-fill',
            "rm /disk/fault-fill",
        ),
        "disk", "fail", "free on",
    ),
    Fault(
        "the disk is too small for the new image",
        lambda host: host.latest_image_for("amd64"),
        "disk", "fail", "needed (the image, ",
        policy={"free_disk_gb": 0.0, "image_growth": 1e6},
    ),
    Fault(
        "the SSM agent is gone",
        lambda host: host.agent_killed(),
        "ssm agent", "fail", "ConnectionLost",
    ),
    Fault(
        "the SSM agent has been quiet for longer than it may",
        lambda _: nullcontext(),
        "ssm agent", "warn", "Online, last heard of at",
        policy={"agent_silence_minutes": 1e-6},
    ),
    Fault(
        "somebody else has the port",
        lambda host: host.port_taken(),
        "ports", "fail", "8080 by",
    ),
    Fault(
        "a wrong password for the registry",
        lambda host: host.secret("GITHUB_TOKEN", "wrong"),
        "registry login", "fail", "refuses the login",
    ),
    Fault(
        "the registry does not answer the host",
        lambda host: host.service("registry", "error", "/v2/.* docker/"),
        "registry login", "fail", "does not answer the login",
    ),
    Fault(
        "DDL_AUTO=create",
        lambda host: host.secret("DDL_AUTO", "create"),
        "schema", "fail", "that would destroy them",
    ),
    Fault(
        "a file was edited by hand",
        lambda host: host.undone_by(
            f"echo '# by hand' >> {_EDITED}",
            f"{_GIT} checkout --quiet docker/docker-compose.yml",
        ),
        "git clone", "warn", "docker/docker-compose.yml",
    ),
    Fault(
        "a container was stopped",
        lambda host: host.stopped("tt-grafana-1"),
        "drift: containers", "warn", "tt-grafana-1 is exited",
    ),
    Fault(
        "a container was removed",
        lambda host: host.container_removed("redis-exporter"),
        "drift: containers", "warn", "redis-exporter is missing",
    ),
    Fault(
        "the disk has no inodes left",
        lambda host: host.inodes_used(left=5000),
        "inodes", "fail", "of the inodes of",
    ),
    Fault(
        "too little memory",
        lambda host: host.undone_by(
            "sed '/^MemAvailable:/s/[0-9][0-9]*/204800/' /proc/meminfo > /run/fault-meminfo"
            " && mount --bind /run/fault-meminfo /proc/meminfo",
            "umount /proc/meminfo",
        ),
        "memory", "fail", "available",
    ),
    Fault(
        "a program is missing",
        lambda host: host.undone_by(
            "mv /usr/bin/envsubst /usr/bin/envsubst.aside",
            "mv /usr/bin/envsubst.aside /usr/bin/envsubst",
        ),
        "tools", "fail", "envsubst",
    ),
    Fault(
        "the engine hangs",
        lambda host: host.undone_by(
            "pkill -STOP dockerd",
            "pkill -CONT dockerd",
        ),
        "engine", "fail", "does not answer",
    ),
    Fault(
        "Docker is older than the environment demands",
        lambda _: nullcontext(),
        "docker version", "fail", "the stack needs 99.0 or later",
        policy={"docker_version": "99.0"},
    ),
    Fault(
        "Compose is older than the environment demands",
        lambda _: nullcontext(),
        "compose version", "fail", "the stack needs 99.0 or later",
        policy={"compose_version": "99.0"},
    ),
    Fault(
        "the image is for another platform",
        lambda host: host.latest_image_for("arm64"),
        "platform", "fail", "the image is for linux/arm64",
    ),
    Fault(
        "the GitHub token may only read",
        lambda host: host.github_token(permissions={"contents": "read"}),
        "github", "fail", "may read the repository, but not tag it",
    ),
    Fault(
        "the GitHub token was revoked",
        lambda host: host.github_token_revoked(),
        "github", "fail", "GitHub refused (401)",
    ),
    Fault(
        "GitHub's API answers with errors",
        lambda host: host.service("github", "error", "GET .*/repos/[^/]+/[^/ ]+$"),
        "github", "warn", "GitHub answered 500",
    ),
    Fault(
        "the GitHub token ends in three days",
        lambda host: host.github_token(expires_at=_in_days(3)),
        "expiry: GitHub token", "warn", "days",
    ),
    Fault(
        "the Doppler token ends in three days",
        lambda host: host.doppler_token(expires_at=_in_days(3)),
        "expiry: Doppler token", "warn", "days",
    ),
    Fault(
        "a certificate is over in three days",
        lambda host: host.undone_by(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -days 3 -subj /CN=tt "
            f"-out {_CERTIFICATE}",
            f"rm {_CERTIFICATE}",
        ),
        f"expiry: {_CERTIFICATE}", "warn", "days",
        policy={"certificate_files": (_CERTIFICATE,)},
    ),
    Fault(
        "a certificate is over",
        lambda host: host.undone_by(
            "cd /root && openssl req -x509 -newkey rsa:2048 -nodes -keyout fault.key -days 1"
            f" -subj /CN=tt -out new.pem && openssl x509 -in new.pem -signkey fault.key -days -1"
            f" -out {_CERTIFICATE}; rm fault.key new.pem",
            f"rm {_CERTIFICATE}",
        ),
        f"expiry: {_CERTIFICATE}", "fail", "ended on",
        policy={"certificate_files": (_CERTIFICATE,)},
    ),
    Fault(
        "a certificate file does not read",
        lambda host: host.undone_by(f"echo garbage > {_CERTIFICATE}", f"rm {_CERTIFICATE}"),
        f"expiry: {_CERTIFICATE}", "warn", "the certificate does not read",
        policy={"certificate_files": (_CERTIFICATE,)},
    ),
    Fault(
        "the certificate of an endpoint is over in three days",
        lambda _: endpoint_ending(days=3),
        "expiry: localhost", "warn", "days",
    ),
    Fault(
        "nobody vouches for an endpoint's certificate",
        lambda _: endpoint_ending(days=30, trusted=False),
        "expiry: localhost", "fail", "not to be trusted",
    ),
    Fault(
        "nobody answers at an endpoint",
        lambda _: nullcontext(),
        "expiry: localhost", "warn", "No TLS endpoint answered",
        policy={"tls_endpoints": ("localhost:1",)},
    ),
    Fault(
        "the instance was stopped in EC2",
        lambda host: host.instance_stopped(),
        "instance", "fail", "tagged Name=TT-ec2-1, found 0",
    ),
    Fault(
        "the instance lost its tag",
        lambda host: host.untagged(),
        "instance", "fail", "tagged Name=TT-ec2-1, found 0",
    ),
    Fault(
        "the worker's role may not send commands",
        lambda host: host.service("ssm", "forbidden", "SendCommand"),
        "aws rights", "fail", "a right for sending a command",
    ),
    Fault(
        "the worker's role may not ask for the agents",
        lambda host: host.service("ssm", "forbidden", "DescribeInstanceInformation"),
        "aws rights", "warn", "a right for asking about the agents",
    ),
    Fault(
        "the worker's role may not look for instances",
        lambda host: host.service("ec2", "forbidden", "ec2$"),
        "aws rights", "fail", "a right for looking for instances",
    ),
    Fault(
        "the worker's role may not cancel commands",
        lambda host: host.service("ssm", "forbidden", "CancelCommand"),
        "aws rights", "warn", "lacks ssm:CancelCommand",
    ),
    Fault(
        "the registry's token may not pull this image",
        lambda host: host.service("registry", "forbidden", "tags/list.* curl"),
        "registry pull", "fail", "403: the token may not pull",
    ),
    Fault(
        "the worker's login to the registry is refused",
        lambda host: host.service("registry", "unauthorized", "python-httpx"),
        "registry (worker)", "fail", "refuse",
    ),
    Fault(
        "the worker's Doppler token may not list names",
        lambda host: host.service("doppler", "forbidden", "secrets/names"),
        "doppler (worker)", "warn", "Doppler",
    ),
    Fault(
        "the host's Doppler token may write",
        lambda host: host.doppler_token(access="read/write"),
        "doppler scope", "warn", "the host's token may read/write",
    ),
    Fault(
        "nobody knows the name of the clone's remote",
        lambda host: host.name_unresolved(),
        "git remote", "fail", "Could not resolve host",
    ),
    Fault(
        "the compose file of the branch does not read",
        lambda host: host.edited("docker/docker-compose.yml", {"services:": "services: ["}),
        "revision", "fail", "The compose file is not YAML",
    ),
    Fault(
        "the host's record is gone",
        lambda host: host.undone_by(f"mv {RECORD} {RECORD}.aside", f"mv {RECORD}.aside {RECORD}"),
        "way back", "warn", "nothing is on record",
    ),
    Fault(
        "the image of the way back was removed",
        lambda host: host.way_back_pruned(),
        "way back", "warn", "is not on the host any more",
    ),
    Fault(
        "the application was started by hand",
        lambda host: host.started_by_hand(),
        "drift: image", "warn", "the application runs sha256:",
    ),
    Fault(
        "the host's token for the registry ends in three days",
        lambda host: host.pull_token_ending(_in_days(3)),
        "expiry: registry token", "warn", "days",
    ),
    Fault(
        "the compose file reads a variable that nobody has",
        lambda host: host.edited(
            "docker/docker-compose.yml",
            {_PROFILE: f"{_PROFILE}  SUPPORT_LINE: ${{SUPPORT_LINE}}\n"},
        ),
        "variables without a value", "warn", "SUPPORT_LINE",
    ),
    Fault(
        "the application reads a variable that it is not handed",
        lambda host: host.edited(
            "src/main/resources/application.yml", {"": "support.line: ${SUPPORT_LINE}\n"}
        ),
        "variables not handed on", "warn", "the application reads SUPPORT_LINE",
    ),
    Fault(
        "the host's scripts have nowhere to write",
        lambda host: host.undone_by(
            "mount -t tmpfs -o ro tmpfs /run/tt-deploy",
            "umount /run/tt-deploy",
        ),
        "preflight script", "fail", "Read-only file system",
    ),
    Fault(
        "somebody committed on the host",
        lambda host: host.undone_by(
            f"{_GIT} -c user.name=me -c user.email=me@tt.example"
            " commit --quiet --allow-empty --message 'by hand'",
            f"{_GIT} reset --quiet --hard HEAD~1",
        ),
        "drift: files", "warn", "the record has",
    ),
    Fault(
        "a value was changed in Doppler",
        lambda host: host.secret("MAIL_HOST", "mail.elsewhere.example"),
        "drift: definitions", "warn", "app",
    ),
    Fault(
        "the host's clock is a minute fast",
        lambda host: host.clock_fast(),
        "clock", "fail", "s off the worker's clock",
    ),
]  # fmt: skip
