"""What a revision needs of the world, derived from its own files.

The compose file, the template of Alertmanager's configuration and the application's
``application*.yml`` and ``.properties`` say which variables they read; nobody keeps a list.
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from delivery.errors import ConfigurationError
from delivery.interpolation import Kind, Reference, references, unmet, with_defaults

if TYPE_CHECKING:
    import yaml

GIVEN_BY_THE_DEPLOY = frozenset(
    {
        "APP_IMAGE",
        "APP_VERSION",
        "APP_REVISION",
        "ALERTMANAGER_CONFIG",
        "ALERTMANAGER_CONFIG_SHA256",
    }
)
LOGIN = Reference("GITHUB_TOKEN", Kind.REQUIRED, filled=True)
_DDL = re.compile(r"ddl[._-]?auto|hbm2ddl", re.I)
_TEMPLATE_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SPRING_NAME = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(:[^}]*)?\}")
_SPRING_DDL = re.compile(r"^[^#\n]*ddl-auto\s*[:=]\s*(\S+)", re.M)
_MOST_PORTS = 100


@cache
def _loader() -> "type[yaml.SafeLoader]":
    """Reads Compose's own tags (``!reset``, ``!override``) as if they were not there."""
    import yaml  # late: it takes a tenth of what all of this package may take to import

    class Loader(yaml.SafeLoader):
        """A loader of our own, so that nobody else's changes."""

    def untagged(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)  # type: ignore[arg-type]

    Loader.add_multi_constructor("!", untagged)
    return Loader


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be there before a revision can run.

    ``variables`` are the references of each file, by its path; ``handed`` the names in the
    application's environment, ``asked`` those that its own configuration reads and has no
    default for; ``ddl`` the settings that make Hibernate change the schema, as written.
    """

    variables: Mapping[str, tuple[Reference, ...]]
    ports: tuple[int, ...] = ()
    services: tuple[str, ...] = ()
    handed: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    ddl: tuple[str, ...] = ()

    def missing(self, filled: Set[str], empty: Set[str], kind: Kind) -> dict[str, list[str]]:
        """The names without a value that must or should have one, by the file that asks."""
        filled = filled | GIVEN_BY_THE_DEPLOY
        found = {
            path: sorted({r.name for r in unmet(each, filled, empty) if r.kind is kind})
            for path, each in self.variables.items()
        }
        return {path: names for path, names in found.items() if names}

    @property
    def names(self) -> frozenset[str]:
        """Every variable that any file reads."""
        every = _flat([one for each in self.variables.values() for one in each])
        return frozenset(one.name for one in every) - GIVEN_BY_THE_DEPLOY

    @property
    def not_handed(self) -> list[str]:
        """What the application asks for and the compose file does not give it."""
        return sorted(self.asked - self.handed)


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files of one revision that say what it needs, by their path."""

    compose_path: str
    compose: str
    app_service: str
    template_path: str = ""
    template: str = ""
    application: Mapping[str, str] | None = None


def needs_of(files: SourceFiles) -> Needs:
    """What the revision with these files needs. ConfigurationError if they do not read."""
    said = _read(files)
    services = said.get("services")
    services = services if isinstance(services, dict) else {}
    app = services.get(files.app_service) or {}
    handed = _environment(app)
    variables = {files.compose_path: tuple(_of_compose(said, services))}
    if files.template:
        names = sorted(set(_TEMPLATE_NAME.findall(files.template)))
        variables[files.template_path] = tuple(
            Reference(name, Kind.REQUIRED, filled=True) for name in names
        )
    variables["the registry login"] = (LOGIN,)
    properties = _active(files.application or {}, handed.get("SPRING_PROFILES_ACTIVE", ""))
    return Needs(
        variables=variables,
        ports=tuple(sorted({port for each in services.values() for port in _ports(each or {})})),
        services=tuple(sorted(services)),
        handed=frozenset(handed),
        asked=frozenset() if app.get("env_file") else frozenset(_asked(properties)),
        ddl=_ddl(handed, properties),
    )


def _read(files: SourceFiles) -> dict[str, Any]:
    import yaml  # late, as above

    try:
        said = yaml.load(files.compose, Loader=_loader())  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            "The compose file is not YAML.", where=f"{files.compose_path}{line}"
        ) from None
    if not isinstance(said, dict):
        raise ConfigurationError("The compose file is no mapping.", where=files.compose_path)
    return said


def _of_compose(said: Mapping[str, Any], services: Mapping[str, Any]) -> Iterator[Reference]:
    for text in _strings(said):
        yield from references(text)
    for kind in ("secrets", "configs"):
        for each in (said.get(kind) or {}).values():
            if isinstance(each, dict) and isinstance(each.get("environment"), str):
                yield Reference(each["environment"], Kind.REQUIRED, filled=True)
    for service in services.values():
        for name, value in _environment(service or {}).items():
            if value is None:  # handed through from Compose's own environment
                yield Reference(name, Kind.PLAIN)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, str):
        yield value


def _flat(found: Sequence[Reference]) -> Iterator[Reference]:
    for each in found:
        yield each
        yield from _flat(each.inner)


def _environment(service: Mapping[str, Any]) -> dict[str, str | None]:
    """A service's environment; None for what is handed through."""
    said = service.get("environment") or {}
    if isinstance(said, dict):
        return {str(name): None if value is None else str(value) for name, value in said.items()}
    pairs = (str(line).partition("=") for line in said)
    return {name: value if equals else None for name, equals, value in pairs}


def _ports(service: Mapping[str, Any]) -> Iterator[int]:
    """The host's ports that a service publishes over TCP, where they are fixed."""
    for each in service.get("ports") or []:
        if isinstance(each, dict):
            published, protocol = str(each.get("published", "")), str(each.get("protocol", "tcp"))
        else:
            text, _, protocol = with_defaults(str(each)).partition("/")
            *before, _ = text.rsplit(":", 2)
            published = before[-1] if before else ""
        first, _, last = with_defaults(published).partition("-")
        if first.isdecimal() and protocol in ("", "tcp"):
            end = int(last) if last.isdecimal() else int(first)
            yield from range(int(first), min(end, int(first) + _MOST_PORTS) + 1)


def _active(files: Mapping[str, str], profiles: str | None) -> list[str]:
    """The texts of the application's configuration for these profiles."""
    wanted = {
        "application",
        *(f"application-{name.strip()}" for name in (profiles or "").split(",")),
    }
    return [text for path, text in sorted(files.items()) if _stem(path) in wanted]


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


def _asked(properties: Sequence[str]) -> Iterator[str]:
    for text in properties:
        for line in text.splitlines():
            for name, default in _SPRING_NAME.findall(line.partition(" #")[0]):
                if not default and not line.lstrip().startswith("#"):
                    yield name


def _ddl(handed: Mapping[str, str | None], properties: Sequence[str]) -> tuple[str, ...]:
    """The environment has the last word; where it is silent, the application's own files."""
    said = [
        f"${{{name}}}" if value is None else value
        for name, value in handed.items()
        if _DDL.search(name)
    ]
    if said:
        return tuple(dict.fromkeys(said))
    found = [setting for text in properties for setting in _SPRING_DDL.findall(text)]
    return tuple(dict.fromkeys(re.sub(r"^\$\{(\w+):", r"${\1:-", each) for each in found))
