"""Faults of the lab's host, each really made and undone again; all leave the lab as it was."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import boto3
import httpx

from lab.lab import Lab
from lab.processes import wait_until
from lab.settings import LabSettings
from lab.up import online
from tests.e2e.conftest import RunningLab
from tests.e2e.delivering import Delivering

CLONE = "/dockerProjects/tt-src/WEB7_9_B2ST_BE"
TOKEN = "/etc/tt-secrets/doppler-token"
RECORD = "/var/lib/tt-deploy/releases.jsonl"
EXPORTER = "oliver006/redis_exporter:v1.80.1"
NODE_VOLUME = "/var/lib/docker/volumes/tt_redis-node-6-data/_data"
HEALTHY_SECONDS = 240.0
AGENT_SECONDS = 120.0
SCRIPT_SECONDS = 600.0
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Broken:
    """The lab's first host, and what can be done to it."""

    def __init__(self, lab: RunningLab) -> None:
        self.lab = lab

    def sh(self, script: str) -> str:
        """What a script printed that ran on the host as root."""
        return self.lab.exec("bash", "-c", script, timeout=SCRIPT_SECONDS)

    @contextmanager
    def undone_by(self, script: str, undo: str) -> Iterator[None]:
        """One script on the host, and afterwards the one that undoes it."""
        try:
            self.sh(script)
            yield
        finally:
            self.sh(undo)

    def standing(self, *, states: bool = True) -> str:
        """What a look must not change: containers and when they started, images, the clone's
        files, the record, the token file. Without ``states`` for what starts again by itself.
        Of an engine that hangs nothing can be seen, which takes ten seconds to find out.
        """
        shown = "{{.ID}} {{.State.Status}} {{.State.StartedAt}}" if states else "{{.ID}}"
        return self.sh(
            'docker() { timeout 10 docker "$@"; }; '
            "if containers=$(docker ps -aq); then "
            f"docker inspect --type container --format '{shown}' $containers | sort; "
            "docker image ls --quiet --no-trunc | sort; "
            "else echo 'the engine does not answer'; fi; "
            f"git -c safe.directory='*' -C {CLONE} status --porcelain; "
            f"sha256sum {TOKEN} {RECORD}; stat -c '%a %U' {TOKEN}; true",
        )

    def stopped(self, container: str) -> Any:
        """A container that somebody stopped."""
        return self.undone_by(f"docker stop --time 5 {container}", f"docker start {container}")

    def token_exposed(self) -> Any:
        """A token file that everybody may read."""
        return self.undone_by(f"chmod 644 {TOKEN}", f"chmod 400 {TOKEN}")

    def token_removed(self) -> Any:
        """No token file."""
        return self.undone_by(f"mv {TOKEN} {TOKEN}.aside", f"mv {TOKEN}.aside {TOKEN}")

    def token_expired(self) -> Any:
        """A token that Doppler does not take any more."""
        return self.doppler_token(expires_at=0)

    def doppler_token(self, **fields: Any) -> Any:
        """Another thing that Doppler knows of the token that host and worker have."""
        known = {"text": self.lab.env["TT_DOPPLER_TOKEN"], "slug": "of-the-lab"}
        return self._posted(f"{self._doppler}/_lab/tokens", known, fields)

    def github_token(self, **fields: Any) -> Any:
        """Another thing that GitHub knows of the worker's token."""
        known = {"text": self.lab.env["TT_GITHUB_TOKEN"]}
        return self._posted(f"{self.lab.status['github_url']}/_lab/tokens", known, fields)

    @contextmanager
    def github_token_revoked(self) -> Iterator[None]:
        """A token of the worker's that GitHub does not know any more."""
        tokens = f"{self.lab.status['github_url']}/_lab/tokens"
        known = {"text": self.lab.env["TT_GITHUB_TOKEN"]}
        httpx.request("DELETE", tokens, json=known, trust_env=False).raise_for_status()
        try:
            yield
        finally:
            httpx.post(tokens, json=known, trust_env=False).raise_for_status()

    @contextmanager
    def pull_token_ending(self, moment: float) -> Iterator[None]:
        """GitHub knows the host's token for the registry, and says when it ends."""
        tokens = f"{self.lab.status['github_url']}/_lab/tokens"
        known = {"text": self.lab.env["TT_REGISTRY_PASSWORD"]}
        given = known | {"permissions": {"packages": "read"}, "expires_at": moment}
        httpx.post(tokens, json=given, timeout=30, trust_env=False).raise_for_status()
        try:
            yield
        finally:
            httpx.request(
                "DELETE", tokens, json=known, timeout=30, trust_env=False
            ).raise_for_status()

    @contextmanager
    def _posted(self, where: str, known: dict[str, Any], changed: dict[str, Any]) -> Iterator[None]:
        httpx.post(where, json=known | changed, timeout=30, trust_env=False).raise_for_status()
        try:
            yield
        finally:
            httpx.post(where, json=known, timeout=30, trust_env=False).raise_for_status()

    @contextmanager
    def service(self, name: str, kind: str, match: str) -> Iterator[None]:
        """A service that treats the requests that ``match`` finds so (`lab fault`)."""
        self.lab.command("fault", name, kind, "--match", match)
        try:
            yield
        finally:
            self.lab.command("fault", name, "clear")

    @contextmanager
    def untagged(self) -> Iterator[None]:
        """An instance without the tag by which it is found."""
        host, ec2 = self.lab.status["hosts"][0], self._aws("ec2")
        instance, name = host["instance_id"], host["name"]
        ec2.delete_tags(Resources=[instance], Tags=[{"Key": "Name", "Value": name}])
        try:
            yield
        finally:
            ec2.create_tags(Resources=[instance], Tags=[{"Key": "Name", "Value": name}])

    @contextmanager
    def instance_stopped(self) -> Iterator[None]:
        """An instance that EC2 has stopped; in the lab its container runs on."""
        ec2, instance = self._aws("ec2"), self.lab.status["hosts"][0]["instance_id"]
        ec2.stop_instances(InstanceIds=[instance])
        try:
            yield
        finally:
            ec2.start_instances(InstanceIds=[instance])

    def commands_cancelled(self) -> list[str]:
        """Cancel every command that is under way, as somebody may in the AWS console; their ids."""
        ssm = self._aws("ssm")
        under_way = [{"key": "Status", "value": "InProgress"}]
        found = ssm.list_commands(Filters=under_way)["Commands"]
        for command in found:
            ssm.cancel_command(CommandId=command["CommandId"])
        return [command["CommandId"] for command in found]

    def _aws(self, service: Literal["ec2", "ssm"]) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.lab.status["aws_url"],
            region_name=self.lab.env["AWS_DEFAULT_REGION"],
            aws_access_key_id=self.lab.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.lab.env["AWS_SECRET_ACCESS_KEY"],
        )

    @contextmanager
    def clock_fast(self) -> Iterator[None]:
        """A host whose programs see a clock that is a minute ahead."""
        self.lab.command("fault", "host", "fast-clock")
        try:
            yield
        finally:
            self.lab.command("fault", "host", "clear")

    @contextmanager
    def edited(self, file: str, edits: Mapping[str, str]) -> Iterator[None]:
        """Texts in a file of the branch that were replaced."""
        delivering = Delivering(self.lab)
        delivering.edit(file, edits, "fix: a slip of the pen")
        try:
            yield
        finally:
            back = {after: before for before, after in edits.items()}
            delivering.edit(file, back, "fix: as it was")

    @contextmanager
    def branch_rewritten(self) -> Iterator[None]:
        """A branch that was pushed by force, without the history it had."""
        with Delivering(self.lab).working_copy() as (_, git):
            git("fetch", "--quiet", "--unshallow")
            was = git("rev-parse", "HEAD")
            git("checkout", "--quiet", "--orphan", "rewritten")
            git("commit", "--quiet", "--message", "feat: the past is forgotten")
            git("push", "--quiet", "--force", "origin", "HEAD:develop")
            try:
                yield
            finally:
                git("push", "--quiet", "--force", "origin", f"{was}:develop")

    def started_by_hand(self) -> Any:
        """The application's container made anew by hand, from what is not the image's digest."""
        image = self.recorded("image")
        by_id = f"$(docker image inspect --format '{{{{.Id}}}}' {image})"
        return self.undone_by(self._up("app", by_id), self._up("app", image))

    def container_removed(self, service: str) -> Any:
        """A service without its container."""
        back = self._up(service, self.recorded("image"))
        return self.undone_by(f"docker rm --force tt-{service}-1", back)

    def _up(self, service: str, image: str) -> str:
        """The command by which somebody starts a service by hand, as the last deploy would."""
        last = {name: self.recorded(name) for name in ("version", "revision")}
        return (
            f"cd {CLONE}/docker; ALERTMANAGER_CONFIG=unread "
            f"DOPPLER_TOKEN=$(cat {TOKEN}) APP_VERSION={last['version']} "
            f"APP_REVISION={last['revision']} APP_IMAGE={image} "
            "doppler run --project tt --config prd "
            f"-- docker compose --project-name tt up --detach --no-deps --wait {service}"
        )

    def way_back_pruned(self) -> Any:
        """A host without the image of the release that it has on record; its layers stay."""
        image, env = self.recorded("image"), self.lab.env
        login = (
            "export DOCKER_CONFIG=$(mktemp -d); "
            f"docker login {image.partition('/')[0]} --username {env['TT_REGISTRY_USERNAME']} "
            f"--password-stdin <<<'{env['TT_REGISTRY_PASSWORD']}'"
        )
        return self.undone_by(
            f"docker tag {image} kept && docker image rm {image}",
            f"{login} && docker pull --quiet {image}; rm -r $DOCKER_CONFIG; docker image rm kept",
        )

    def recorded(self, field: str) -> str:
        """A field of the newest line of the host's record."""
        return str(json.loads(self.sh(f"tail -n 1 {RECORD}"))[field])

    @contextmanager
    def latest_image_for(self, architecture: str) -> Iterator[None]:
        """A newest image that calls itself one of this architecture."""
        self._relabel_latest(architecture)
        try:
            yield
        finally:
            self._relabel_latest("amd64")

    @contextmanager
    def secret(self, name: str, value: str | None) -> Iterator[None]:
        """Another value of a secret in Doppler, or none."""
        secrets = f"{self._doppler}/_lab/secrets"
        was = httpx.get(secrets, timeout=30, trust_env=False).json()[name]
        httpx.put(secrets, json={name: value}, timeout=30, trust_env=False).raise_for_status()
        try:
            yield
        finally:
            httpx.put(secrets, json={name: was}, timeout=30, trust_env=False).raise_for_status()

    def disk_full(self) -> Any:
        """A disk with a few MiB left: room for the agent to write a command, for nothing else."""
        free = "$(df --output=avail --block-size=1M /disk | tail -n 1)"
        return self.undone_by(
            f"fallocate --length $(({free} - 24))M /disk/filled", "rm /disk/filled"
        )

    def inodes_used(self, left: int) -> Any:
        """A disk with room, and with so few inodes left."""
        return self.undone_by(
            "mkdir /disk/fault-inodes && cd /disk/fault-inodes && python3 -c '"
            f'import os; free = os.statvfs(".").f_favail - {left}; '
            "[os.close(os.open(str(n), os.O_CREAT)) for n in range(free)]'",
            "rm -r /disk/fault-inodes",
        )

    @contextmanager
    def disk_full_of_images(self) -> Iterator[None]:
        """The same, where an image that nobody needs any more takes 400 MiB of it."""
        self.sh(
            "mkdir /disk/image && fallocate --length 400M /disk/image/layer && "
            "tar --create --directory /disk/image . | docker import - ; rm -r /disk/image"
        )
        with self.disk_full():
            yield
        self.sh("docker image prune --force")

    @contextmanager
    def agent_killed(self) -> Iterator[None]:
        """A Systems Manager agent that is dead, and that AWS has noticed to be."""
        self.lab.command("fault", "host", "kill-agent")
        try:
            assert wait_until(lambda: not self._agent_online(), AGENT_SECONDS)
            yield
        finally:
            self.lab.command("fault", "host", "clear")
            assert wait_until(self._agent_online, AGENT_SECONDS)

    def _agent_online(self) -> bool:
        return self.lab.status["hosts"][0]["instance_id"] in online(self._settings)

    @property
    def _settings(self) -> LabSettings:
        return Lab.load(self.lab.home).settings

    def port_taken(self) -> Any:
        """Somebody who listens on the gateway's port."""
        listens = "ss -Hltn 'sport = :8080' | grep -q ."
        return self.undone_by(
            "docker stop --time 5 tt-gateway-1; "
            "setsid python3 -m http.server 8080 </dev/null >/dev/null 2>&1 & "
            f"{_comes_to_hold(listens)}; docker start tt-gateway-1 || true",
            "kill $(ss -Hltnp 'sport = :8080' | sed -E 's/.*pid=([0-9]+).*/\\1/' | head -n 1); "
            f"{_comes_to_hold(f'! {{ {listens}; }}')}; docker start tt-gateway-1",
        )

    def engine_away(self) -> Any:
        """An engine that nobody can reach: its containers run on."""
        socket = "/run/docker.sock"
        return self.undone_by(f"mv {socket} {socket}.aside", f"mv {socket}.aside {socket}")

    def gateway_emptied(self) -> Any:
        """A gateway that runs, and knows of no application behind it any more."""
        servers = [f"to_{slot}/{server}" for slot in "ab" for server in ("a", "b", "last")]
        words = "; ".join(f"set server {server} state maint" for server in servers)
        tell = f"exec 3<>/dev/tcp/127.0.0.1/9999; echo '{words}' >&3; cat <&3"
        process = "$(docker inspect --format '{{.State.Pid}}' tt-gateway-1)"
        return self.undone_by(
            f'nsenter --target {process} --net bash -c "{tell}"',
            "docker restart --time 2 tt-gateway-1",
        )

    def own_resolver(self) -> Any:
        """A resolver on the host that knows every name, and a remote that only it knows."""
        origin = f"git -C {CLONE} config remote.origin.url"
        was = self.sh(origin).strip()
        return self.undone_by(
            f"{origin} {was.replace('localhost', 'git.tt.example')}; "
            "cp /etc/resolv.conf /root/resolv.conf; "
            "printf 'nameserver 127.0.0.53\\noptions timeout:4 attempts:1\\n' > /etc/resolv.conf; "
            f"setsid python3 -c '{_RESOLVER}' </dev/null >/dev/null 2>&1 & "
            + _comes_to_hold("ss -Hlun 'src 127.0.0.53' | grep -q ."),
            f"{origin} {was}; cat /root/resolv.conf > /etc/resolv.conf; {self.ends_resolver}",
        )

    ends_resolver = "kill $(ss -Hlunp 'src 127.0.0.53' | sed -E 's/.*pid=([0-9]+).*/\\1/') || true"

    def read_only_database(self) -> Any:
        """A database that lets everybody in and takes no write."""
        psql = 'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "ALTER SYSTEM {}"'
        run = f"docker exec tt-postgres-1 sh -c '{psql} -c \"SELECT pg_reload_conf()\"'"
        return self.undone_by(
            run.format("SET default_transaction_read_only = on"),
            run.format("RESET default_transaction_read_only"),
        )

    def nodes_conf_corrupt(self) -> Any:
        """A Redis node whose nodes.conf is garbage, started with it."""
        conf, aside = f"{NODE_VOLUME}/nodes.conf", "/root/nodes.conf"
        stop, start = "docker stop --time 5 tt-redis-node-6-1", "docker start tt-redis-node-6-1"
        died = _comes_to_hold(_HAS_DIED.format("tt-redis-node-6-1"))
        return self.undone_by(
            f"{stop}; cp -p {conf} {aside}; echo garbage > {conf}; {start}; {died}",
            f"{stop}; cp -p {aside} {conf}; {start}",
        )

    def cluster_unmade(self) -> None:
        """Six nodes that are no cluster any more, as on the first day; data and all."""
        for node in range(1, 7):
            ask = f"docker exec tt-redis-node-{node}-1 sh /usr/local/etc/redis/ask.sh"
            self.sh(f"{ask} flushall; {ask} cluster reset hard")

    def out_of_memory(self) -> Any:
        """An application that is given less memory than it needs, and dies of it."""
        update = "docker update --memory {0} --memory-swap {0} $app"
        stop, start = "docker stop --time 1 $app", "docker start $app"
        died = _comes_to_hold(_HAS_DIED.format("$app"))
        return self.undone_by(
            f"{_APP}; docker inspect --format '{{{{.HostConfig.Memory}}}}' $app > /root/memory; "
            f"{stop}; {update.format('40m')}; {start}; {died}",
            f"{_APP}; {stop}; {update.format('$(cat /root/memory)')}; {start}",
        )

    def image_missing(self) -> Any:
        """A stopped service whose image is gone."""
        return self.undone_by(
            f"docker stop --time 2 tt-redis-exporter-1; docker image rm --force {EXPORTER}",
            f"docker pull --quiet {EXPORTER}; docker start tt-redis-exporter-1",
        )

    def name_unresolved(self) -> Any:
        """A remote whose name nobody knows."""
        origin = f"git -C {CLONE} config remote.origin.url"
        was = self.sh(origin).strip()
        return self.undone_by(f"{origin} http://github.invalid/tt.git", f"{origin} {was}")

    def password_changed(self) -> Any:
        """A database user whose password is not Doppler's any more."""
        psql = 'psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --command'
        alter = f'{psql} "ALTER USER \\"$POSTGRES_USER\\" PASSWORD \'%s\'"'
        back = alter % "$(cat $POSTGRES_PASSWORD_FILE)"
        run = "docker exec tt-postgres-1 sh -c '{}'"
        return self.undone_by(
            run.format((alter % "another").replace("'", "'\\''")),
            run.format(back.replace("'", "'\\''")),
        )

    def hung(self) -> Any:
        """An application whose process stands still."""
        java = "$(docker top $app -o pid,comm | awk '$2 == \"java\" { print $1 }')"
        return self.undone_by(f"{_APP}; kill -STOP {java}", f"{_APP}; kill -CONT {java}")

    def token_mode(self) -> str:
        """Who may read the token file."""
        return self.sh(f"stat --format=%a {TOKEN}").strip()

    def until_well(self, seconds: float = HEALTHY_SECONDS) -> None:
        """Wait until the public port says UP, every container of the project is as it should be
        and every node of the cluster sees all of it.
        """
        deadline = time.monotonic() + seconds
        while ill := self._ill():
            assert time.monotonic() < deadline, f"not well after {seconds} s: {ill}"
            time.sleep(0.5)

    def _ill(self) -> list[str]:
        rows = self.sh(_STANDS).splitlines()
        return [
            row
            for row in rows or ["there is no container"]
            if not row.startswith("redis-cluster-init")
            and (" running " not in row or "unhealthy" in row or "starting" in row)
        ]

    def _relabel_latest(self, architecture: str) -> None:
        """Give the newest image a configuration with this architecture; its layers stay."""
        lab = self.lab
        repository = f"http://{lab.status['registry']}/v2/{lab.status['repository']}"
        login = (lab.env["TT_REGISTRY_USERNAME"], lab.env["TT_REGISTRY_PASSWORD"])
        headers = {"Accept": f"{_MANIFEST}, {_OCI_MANIFEST}"}
        with httpx.Client(auth=login, headers=headers, timeout=30, trust_env=False) as registry:
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

    @property
    def _doppler(self) -> str:
        return f"http://127.0.0.1:{self._settings.ports['doppler']}"


_RESOLVER = """
import socket
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("127.0.0.53", 53))
while True:
    asked, who = door.recvfrom(512)
    known = asked[-4:-2] == bytes([0, 1])
    head = asked[:2] + bytes([129, 128, 0, 1, 0, known, 0, 0, 0, 0])
    found = bytes([192, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1])
    door.sendto(head + asked[12:] + found * known, who)
"""
"""Says 127.0.0.1 to whatever name it is asked for."""

_APP = "app=$(docker ps --all --quiet --filter label=com.docker.compose.service=app)"

_HAS_DIED = """[ "$(docker inspect --format '{{{{.RestartCount}}}}' {})" -gt 0 ]"""
"""Of a container that Docker starts again whenever it dies."""

_STANDS = r"""
docker ps --all --filter label=com.docker.compose.project=tt --format \
    '{{.Label "com.docker.compose.service"}} {{.State}} {{.Status}}' || true
status=$(curl --silent --output /dev/null --max-time 20 --write-out '%{http_code}' \
    http://127.0.0.1:8080/actuator/health)
[ "$status" = 200 ] || echo "the public port answers $status"
cluster=$(timeout 60 docker exec tt-redis-node-1-1 sh -c '
    . /usr/local/etc/redis/cluster.sh
    read_password /run/secrets/redis_password
    for node in 1 2 3 4 5 6; do
        at=redis-node-$node:$((6999 + node))
        ask $at cluster info
        ask $at info replication
    done' 2>&1)
[ "$(grep -c '^cluster_state:ok' <<<"$cluster")" = 6 ] &&
    ! grep '^master_link_status:down' <<<"$cluster" || echo "the cluster is not whole"
"""
"""A line for each container, and one for everything else that is not well."""


def _comes_to_hold(condition: str) -> str:
    """A piece of script that waits up to 90 s until a condition holds."""
    return f"for _ in $(seq 450); do if {condition}; then break; fi; sleep 0.2; done"
