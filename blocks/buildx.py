"""Docker BuildKit through the ``docker buildx`` command line.

docker-py knows no BuildKit, hence no registry cache; the command line does. The login
lives in a throw-away Docker configuration, and the password travels on standard input.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from blocks.commands import CommandFailed, run_streaming
from delivery.errors import (
    BuildError,
    BuildInterrupted,
    ConfigurationError,
    DeliveryError,
    RegistryUnavailable,
)

_LASTING = re.compile(
    r"unauthorized|denied|forbidden|incorrect username or password|did not complete successfully",
    re.IGNORECASE,
)
_MAY_PASS = re.compile(
    r"unexpected status.*: (429|5\d\d)\b|toomanyrequests|failed to push \S+ (unknown|unavailable):"
    r"|connection (refused|reset)|broken pipe|closed network connection|\bEOF$|no route to host"
    r"|network is unreachable|no such host|name resolution|timeout|timed out|deadline exceeded",
    re.IGNORECASE,
)
"""What BuildKit says of a registry that is away, in its own words and in Go's."""
_PUSHED_ONLY = "type=image,push=true,store=false,unpack=false"
"""What `--push` does, but that no release's image stays with the engine that built it.

Nobody would remove it there; the layers are BuildKit's cache, which keeps itself within bounds.
"""


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """What to build and under which names to push it."""

    context: Path
    dockerfile: str
    names: tuple[str, ...]
    cache: str
    labels: Mapping[str, str]
    arguments: Mapping[str, str]
    platform: str


class Buildx:
    """The door to one Docker engine's builder, logged in to one registry."""

    def __init__(self, *, engine_url: str, registry: str, username: str, password: str) -> None:
        self._engine_url = engine_url
        self._registry = registry
        self._username = username
        self._password = password

    def build_and_push(
        self, order: BuildOrder, *, on_line: Callable[[str], None], timeout_seconds: float
    ) -> None:
        """Build ``order`` and push all its names; raises BuildError with the last lines.

        BuildInterrupted or RegistryUnavailable say that it may well work in a moment.
        """
        with self._logged_in(on_line) as environment:
            try:
                run_streaming(
                    build_arguments(order),
                    on_line=on_line,
                    timeout_seconds=timeout_seconds,
                    environment=environment,
                    secrets=[self._password],
                )
            except CommandFailed as failure:
                raise _build_error(failure, order, timeout_seconds) from None

    @contextmanager
    def _logged_in(self, on_line: Callable[[str], None]) -> Iterator[Mapping[str, str]]:
        docker = shutil.which("docker")
        if docker is None:
            raise ConfigurationError(
                "The worker has no docker command.",
                next_command="Install the Docker CLI with buildx on the worker.",
            )
        with tempfile.TemporaryDirectory(prefix="tt-docker-") as folder:
            configuration = Path(folder) / "config.json"
            configuration.write_text(json.dumps({"cliPluginsExtraDirs": plugin_folders(docker)}))
            environment = {**os.environ, "DOCKER_CONFIG": folder, "BUILDKIT_PROGRESS": "plain"}
            if self._engine_url:
                environment["DOCKER_HOST"] = self._engine_url
            self._login(environment, on_line)
            yield environment

    def _login(self, environment: Mapping[str, str], on_line: Callable[[str], None]) -> None:
        """Log in; the second refusal in a row is believed.

        Docker asks the registry how to log in before it does. If just that question fails, it
        leaves the password out, and says of its own fault "401 Unauthorized".
        """
        error = self._login_failure(environment, on_line)
        if isinstance(error, BuildError):
            error = self._login_failure(environment, on_line)
        if error is not None:
            raise error

    def _login_failure(
        self, environment: Mapping[str, str], on_line: Callable[[str], None]
    ) -> DeliveryError | None:
        arguments = ["docker", "login", self._registry, "--username", self._username]
        try:
            run_streaming(
                [*arguments, "--password-stdin"],
                on_line=lambda line: on_line(line) if "WARNING" not in line else None,
                timeout_seconds=60,
                environment=environment,
                standard_input=self._password,
                secrets=[self._password],
            )
        except CommandFailed as failure:
            return _login_error(failure, self._registry)
        return None


def build_arguments(order: BuildOrder) -> list[str]:
    """The command line of one build; it holds no secret."""
    arguments = ["docker", "buildx", "build", "--output", _PUSHED_ONLY, "--provenance=false"]
    arguments += ["--platform", order.platform] if order.platform else []
    arguments += ["--file", str(order.context / order.dockerfile)]
    arguments += _each("--tag", order.names)
    arguments += _each("--label", [f"{name}={value}" for name, value in order.labels.items()])
    arguments += _each("--build-arg", [f"{n}={v}" for n, v in order.arguments.items()])
    arguments += ["--cache-from", f"type=registry,ref={order.cache}"]
    arguments += ["--cache-to", f"type=registry,ref={order.cache},mode=max,ignore-error=true"]
    return [*arguments, str(order.context)]


def plugin_folders(docker: str) -> list[str]:
    """Where CLI plugins such as buildx are looked for with this ``docker`` command.

    The user's own Docker configuration, whose folder a throw-away one loses, and the
    installation that the command belongs to, wherever that was unpacked.
    """
    configured = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    installed = Path(docker).resolve().parent.parent
    folders = (
        configured / "cli-plugins",
        installed / "libexec" / "docker" / "cli-plugins",
        installed / "lib" / "docker" / "cli-plugins",
    )
    return [str(folder) for folder in folders if folder.is_dir()]


def _each(flag: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]


def _login_error(failure: CommandFailed, registry: str) -> DeliveryError:
    """A refused password stays refused; a registry that does not answer may come back."""
    if _LASTING.search(failure.last_lines):
        return BuildError(
            f"The login to {registry} failed.",
            where=registry,
            last_words=failure.last_lines,
            next_command="Check the registry block: the user, and a token with packages:write.",
        )
    return RegistryUnavailable(
        f"The registry {registry} did not answer the login.",
        where=registry,
        last_words=failure.last_lines,
        next_command=f"curl -sS https://{registry}/v2/",
    )


def _build_error(failure: CommandFailed, order: BuildOrder, timeout_seconds: float) -> BuildError:
    kind: type[BuildError] = BuildError
    if failure.timed_out:
        message = f"The build took longer than {timeout_seconds:.0f} s and was stopped."
    elif _may_pass(failure.last_lines):
        kind = BuildInterrupted
        message = "The image did not reach the registry, or a part of it did not reach the build."
    else:
        message = "The image did not build, or did not reach the registry."
    return kind(
        message,
        where=order.names[0],
        last_words=failure.last_lines,
        next_command=f"docker buildx build --file {order.dockerfile} .   # at {order.context.name}",
    )


def _may_pass(last_lines: str) -> bool:
    """Whether BuildKit's own verdict names the network; a step's output may say anything."""
    verdict = next((x for x in last_lines.splitlines()[::-1] if x.startswith("ERROR: ")), "")
    return bool(_MAY_PASS.search(verdict)) and not _LASTING.search(verdict)
