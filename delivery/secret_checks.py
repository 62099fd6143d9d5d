"""What a host's token opens: token file, Doppler, variables, registry, schema hazard."""

import re
from collections.abc import Iterator, Set

from delivery.checks import Check, Level
from delivery.host_checks import judged
from delivery.interpolation import Kind, references
from delivery.needs import Needs
from delivery.preflight_facts import PreflightHost, RegistrySight, SecretsSight, TokenSight

_DESTRUCTIVE = {"create", "create-drop", "create-only", "drop", "drop-and-create", "truncate"}


def token_checks(host: str, token: TokenSight, path: str) -> Iterator[Check]:
    """The only secret file on a host: there, root's alone, and nothing but the token."""
    if not token.exists:
        yield judged(
            "token file", host, "", problem=f"{path} does not exist",
            remedy=f"sudo install -m 400 /dev/stdin {path}   # then paste the service token",
        )  # fmt: skip
        return
    others = bool(int(token.mode or "0", 8) & 0o077)
    problem = f"mode {token.mode}: others than root can read it" if others else ""
    if token.owner != 0:
        problem = f"it belongs to user {token.owner}, not to root"
    writable = "" if problem or token.mode == "400" else f"mode {token.mode} instead of 400"
    yield judged(
        "token file", host, f"{path}, mode 400, root's", problem=problem or writable,
        remedy=f"sudo chown root:root {path}; sudo chmod 400 {path}", warn=not problem,
    )  # fmt: skip
    yield from _line_ends(host, token, path)


def _line_ends(host: str, token: TokenSight, path: str) -> Iterator[Check]:
    rewrite = f"sudo sed -i 's/\\r$//' {path}; sudo chmod 400 {path}"
    if not token.plain:
        yield judged(
            "token text", host, "", problem="the file is empty, or holds more than a token",
            remedy=f"sudo install -m 400 /dev/stdin {path}   # then paste the service token alone",
        )  # fmt: skip
    elif token.returns or token.newlines > 1:
        seen = "a carriage return (CR LF)" if token.returns else "empty lines"
        yield judged(
            "token text", host, "", remedy=rewrite, warn=True,
            problem=f"the file has {seen}; our scripts strip it, others do not",
        )  # fmt: skip


def doppler_check(
    host: str, facts: PreflightHost, project: str, config: str, *, path: str
) -> Check:
    """Whether Doppler lets this token read this config; if not, which of the reasons it is."""
    secrets, where = facts.secrets, f"{project}/{config}"
    if secrets is not None and secrets.state == "ok":
        return judged("doppler", host, f"{len(secrets.names)} names in {where}")
    problem, remedy = _why_not(facts, secrets, where, path)
    return judged("doppler", host, "", problem=problem, remedy=remedy)


def _why_not(
    facts: PreflightHost, secrets: SecretsSight | None, where: str, path: str
) -> tuple[str, str]:
    ask = f"sudo bash -c 'DOPPLER_TOKEN=$(tr -d \"\\r\\n\" < {path}) doppler me'"
    if secrets is None:
        return "what the token opens could not be seen", ask
    if secrets.state == "no token":
        return "there is no token to ask with", ask
    said = secrets.said.strip().rpartition("\n")[2]
    if secrets.state == "silent":
        return f"Doppler does not answer: {said}", "curl -sS https://api.doppler.com/v3/me"
    accepted = facts.identity is not None and facts.identity.accepted
    if not accepted:
        return (
            f"the token has expired or was revoked: {said}",
            f"Generate a service token (read) of {where}, and put it into the file",
        )
    lower = said.lower()
    if "project" in lower or "config" in lower:
        return (
            f"the token is valid, but not for {where}: {said}",
            f"Generate a service token (read) of {where}, and put it into the file",
        )
    return (
        f"the token is valid, but its scope does not let it read secrets ({said})",
        f"Generate a service token with read access to {where}",
    )


def variable_checks(
    host: str, needs: Needs, filled: Set[str], empty: Set[str], scope: str
) -> Iterator[Check]:
    """Every variable that the revision's files need, against the names that there are."""
    missing = needs.missing(filled, empty, Kind.REQUIRED)
    names = sorted({name for each in missing.values() for name in each})
    asked = "; ".join(f"{', '.join(found)} (for {path})" for path, found in missing.items())
    yield judged(
        "variables", host, f"{len(needs.names)} are read; every required one has a value",
        problem=f"Doppler has no value for {asked}" if names else "",
        remedy=f"doppler secrets set {' '.join(names)} {scope}   # asks for the values",
    )  # fmt: skip
    blank = needs.missing(filled, empty, Kind.PLAIN)
    if blank:
        listed = sorted({name for each in blank.values() for name in each})
        yield judged(
            "variables without a value", host, "", warn=True,
            problem=f"{', '.join(listed)}: neither required nor with a default, so they are empty",
            remedy=f"doppler secrets set {' '.join(listed)} {scope}   # or give them a default",
        )  # fmt: skip
    if needs.not_handed:
        yield judged(
            "variables not handed on", host, "", warn=True,
            problem=f"the application reads {', '.join(needs.not_handed)}, "
            "which the compose file does not put into its environment",
            remedy="add them to the service's 'environment'",
        )  # fmt: skip


def registry_checks(host: str, registry: RegistrySight, image: str, user: str) -> Iterator[Check]:
    """The login that the pull will make, and whether its token may pull this image."""
    address = image.partition("/")[0]
    remedy = (
        "Doppler's GITHUB_TOKEN: a token of "
        f"{user} with read:packages; then: docker login {address} -u {user} --password-stdin"
    )
    reasons = {
        "refused": f"{address} refuses the login of {user}: {registry.said}",
        "silent": f"{address} does not answer the login: {registry.said}",
        "no token": "Doppler has no GITHUB_TOKEN for the login",
    }
    yield judged(
        "registry login", host, f"{user} at {address}",
        problem=reasons.get(registry.login, ""), remedy=remedy,
    )  # fmt: skip
    if registry.login == "ok":
        yield judged(
            "registry pull", host, f"{image} may be pulled",
            problem="" if registry.pull in (200, 404) else
            f"{address} answered {registry.pull or 'nothing'}: the token may not pull {image}",
            remedy="Give the token read:packages, and the user access to the package.",
        )  # fmt: skip


def schema_check(host: str, needs: Needs | None, ddl: dict[str, str], tables: int | None) -> Check:
    """Hibernate must not make a schema anew where there are tables.

    ``ddl`` says of each variable whether its value is "destructive" or "safe"; ``needs`` has
    the settings as the revision writes them (None: judge by the variables alone).
    """
    settings = ("${" + name + "}" for name in ddl) if needs is None else iter(needs.ddl)
    found = [each for each in settings if _is_destructive(each, ddl)]
    if not found:
        return judged("schema", host, "Hibernate leaves the tables alone")
    names = ", ".join(sorted({reference.name for each in found for reference in references(each)}))
    what = f"{names or 'the compose file'} has Hibernate create the schema anew"
    if tables == 0:
        return judged(
            "schema", host, "", warn=True, problem=f"{what}; the database has no tables yet",
            remedy=f"After this deploy set {names or 'it'} to 'validate': the next one is refused.",
        )  # fmt: skip
    seen = (
        f"has {tables} tables"
        if tables and tables > 0
        else "may have tables: it could not be asked"
    )
    return Check(
        "schema", Level.FAIL, f"{what}, and the database {seen}: that would destroy them",
        f"Set {names or 'it'} to 'validate' or 'update' in Doppler   # docs/preflight.md", host,
    )  # fmt: skip


def _is_destructive(setting: str, ddl: dict[str, str]) -> bool:
    found = references(setting)
    if not found:
        return re.sub(r"[\s'\"]", "", setting).lower().replace("_", "-") in _DESTRUCTIVE
    first = found[0]
    if state := ddl.get(first.name):
        return state == "destructive"
    return bool(first.default) and _is_destructive(first.default, ddl)
