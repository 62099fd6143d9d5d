"""Hazards of a deploy that preflight must find: each really made in the lab, and mended again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.hazard_makers import (
    CLONE,
    TOKEN_FILE,
    Break,
    agent_again,
    github_token,
    give_the_port_back,
    in_days,
    latest_for,
    lose_the_agent,
    on_host,
    secrets,
    take_the_port,
    token,
)

_EDITED = f"{CLONE}/docker/docker-compose.yml"
_CERTIFICATE = "/root/fault.pem"


@dataclass(frozen=True)
class Fault:
    """A fault, how it is made and mended, and what must be found first."""

    name: str
    make: Break
    mend: Break
    first: str
    level: str
    words: str
    policy: Mapping[str, Any] = field(default_factory=dict)
    """What the environment's preflight policy says for this look, where it matters."""


FAULTS = [
    Fault(
        "a secret is missing in Doppler",
        lambda lab: print(len(secrets(lab, MAIL_HOST=None))),
        lambda lab: print(len(secrets(lab, MAIL_HOST="127.0.0.1"))),
        "variables", "fail", "MAIL_HOST",
    ),
    Fault(
        "the Doppler token has expired",
        lambda lab: token(lab, expires_at=0),
        lambda lab: token(lab),
        "doppler", "fail", "expired or was revoked",
    ),
    Fault(
        "the Doppler token is of another project",
        lambda lab: token(lab, project="other"),
        lambda lab: token(lab),
        "doppler", "fail", "valid, but not for tt/prd",
    ),
    Fault(
        "others can read the token file",
        on_host(f"chmod 644 {TOKEN_FILE}"),
        on_host(f"chmod 400 {TOKEN_FILE}"),
        "token file", "fail", "mode 644",
    ),
    Fault(
        "CR LF in the token file",
        on_host(f"sed -i 's/$/\\r/' {TOKEN_FILE}"),
        on_host(f"sed -i 's/\\r$//' {TOKEN_FILE}"),
        "token text", "warn", "carriage return",
    ),
    Fault(
        "the disk is nearly full",
        on_host(
            "free=$(df --output=avail --block-size=1M /disk | tail -n 1); "
            'fallocate --length "$((free - 300))M" /disk/fault-fill'
        ),
        on_host("rm /disk/fault-fill"),
        "disk", "fail", "free on",
    ),
    Fault(
        "the SSM agent is gone",
        lose_the_agent,
        agent_again,
        "ssm agent", "fail", "ConnectionLost",
    ),
    Fault(
        "somebody else has the port", take_the_port, give_the_port_back, "ports", "fail", "8080 by",
    ),
    Fault(
        "a wrong password for the registry",
        lambda lab: print(len(secrets(lab, GITHUB_TOKEN="wrong"))),
        lambda lab: print(len(secrets(lab, GITHUB_TOKEN=lab.env["TT_REGISTRY_PASSWORD"]))),
        "registry login", "fail", "refuses the login",
    ),
    Fault(
        "DDL_AUTO=create",
        lambda lab: print(len(secrets(lab, DDL_AUTO="create"))),
        lambda lab: print(len(secrets(lab, DDL_AUTO="update"))),
        "schema", "fail", "that would destroy them",
    ),
    Fault(
        "a file was edited by hand",
        on_host(f"echo '# by hand' >> {_EDITED}"),
        on_host(f"git -c safe.directory='*' -C {CLONE} checkout --quiet docker/docker-compose.yml"),
        "git clone", "warn", "docker/docker-compose.yml",
    ),
    Fault(
        "a container was stopped",
        on_host("docker stop tt-grafana-1"),
        on_host("docker start tt-grafana-1"),
        "drift: containers", "warn", "tt-grafana-1 is exited",
    ),
    Fault(
        "the disk has no inodes left",
        on_host(
            "mkdir /disk/fault-inodes && cd /disk/fault-inodes && python3 -c '"
            "import os; free = os.statvfs(\".\").f_favail - 5000; "
            "[os.close(os.open(str(n), os.O_CREAT)) for n in range(free)]'"
        ),
        on_host("rm -r /disk/fault-inodes"),
        "inodes", "fail", "of the inodes of",
    ),
    Fault(
        "too little memory",
        on_host(
            "sed '/^MemAvailable:/s/[0-9][0-9]*/204800/' /proc/meminfo > /run/fault-meminfo"
            " && mount --bind /run/fault-meminfo /proc/meminfo"
        ),
        on_host("umount /proc/meminfo"),
        "memory", "fail", "available",
    ),
    Fault(
        "a program is missing",
        on_host("mv /usr/bin/envsubst /usr/bin/envsubst.aside"),
        on_host("mv /usr/bin/envsubst.aside /usr/bin/envsubst"),
        "tools", "fail", "envsubst",
    ),
    Fault(
        "the engine hangs",
        on_host("pkill -STOP dockerd"),
        on_host("pkill -CONT dockerd"),
        "engine", "fail", "does not answer",
    ),
    Fault(
        "Docker is older than the environment demands",
        on_host("true"), on_host("true"),
        "docker version", "fail", "the stack needs 99.0 or later",
        policy={"docker_version": "99.0"},
    ),
    Fault(
        "Compose is older than the environment demands",
        on_host("true"), on_host("true"),
        "compose version", "fail", "the stack needs 99.0 or later",
        policy={"compose_version": "99.0"},
    ),
    Fault(
        "the image is for another platform",
        lambda lab: latest_for(lab, "arm64"),
        lambda lab: latest_for(lab, "amd64"),
        "platform", "fail", "the image is for linux/arm64",
    ),
    Fault(
        "the GitHub token may only read",
        lambda lab: github_token(lab, permissions={"contents": "read"}),
        github_token,
        "github", "fail", "may read the repository, but not tag it",
    ),
    Fault(
        "the GitHub token ends in three days",
        lambda lab: github_token(lab, expires_at=in_days(3)),
        github_token,
        "expiry: GitHub token", "warn", "days",
    ),
    Fault(
        "the Doppler token ends in three days",
        lambda lab: token(lab, expires_at=in_days(3)),
        lambda lab: token(lab),
        "expiry: Doppler token", "warn", "days",
    ),
    Fault(
        "a certificate is over in three days",
        on_host(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -days 3 -subj /CN=tt "
            f"-out {_CERTIFICATE}"
        ),
        on_host(f"rm {_CERTIFICATE}"),
        f"expiry: {_CERTIFICATE}", "warn", "days",
        policy={"certificate_files": (_CERTIFICATE,)},
    ),
]  # fmt: skip
