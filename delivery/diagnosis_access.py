"""What keeps a deploy from what it needs: names, Doppler, the registry, images."""

import re
from collections.abc import Iterator

from delivery.findings import Action, Cause, Confidence, Finding, Remedy
from delivery.host_facts import HostFacts, TokenFile, compose_view, keyed, token_file
from delivery.scene import Scene

_REFUSED = re.compile(
    r"invalid|expired|revoked|forbidden|not have access|permission|not found", re.I
)
_SCOPE = re.compile(r"not have access|not found|forbidden|permission", re.I)
_LOGIN_REFUSED = re.compile(r"unauthorized|denied|401|403|incorrect username", re.I)
MISSING_VARIABLE = re.compile(
    r"required variable (\w+) is missing a value|Doppler has no value for (\w+)"
)


def name_unresolved(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """A name that a deploy needs and that the host cannot resolve."""
    for name, resolves in keyed(facts.names, "|"):
        if resolves == "no":
            yield Finding(
                Cause.NAME_UNRESOLVED,
                scene.host,
                f"The host cannot resolve {name}.",
                Confidence.CERTAIN,
                (f"getent hosts {name}: no answer",),
                Remedy(f"getent hosts {name}; cat /etc/resolv.conf; resolvectl status"),
            )


def doppler_refuses(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """No token, one that Doppler does not take, or a Doppler that does not answer."""
    token = token_file(facts)
    if token is not None and (not token.there or token.size == 0):
        state = "empty" if token.there else "not there"
        yield _doppler(scene, f"The Doppler token file is {state}.", (_stands(scene, token),))
    elif token is not None and not facts.doppler_answered:
        yield _refusal(scene, facts, token)


def _refusal(scene: Scene, facts: HostFacts, token: TokenFile) -> Finding:
    said = tuple(facts.doppler.split("\n"))
    if not _REFUSED.search(facts.doppler):
        return Finding(
            Cause.DOPPLER_AWAY,
            scene.host,
            "Doppler does not answer the host.",
            Confidence.LIKELY,
            said,
            Remedy(scene.ask_doppler),
        )
    if _SCOPE.search(facts.doppler):
        summary = "Doppler's token is not for this project and config."
    else:
        summary = "Doppler refuses the host's token: it expired or was revoked."
    return _doppler(scene, summary, (*said, _stands(scene, token)))


def _doppler(scene: Scene, summary: str, evidence: tuple[str, ...]) -> Finding:
    return Finding(
        Cause.DOPPLER_REFUSES,
        scene.host,
        summary,
        Confidence.CERTAIN,
        evidence,
        Remedy(f"{scene.new_token}\n{scene.ask_doppler}"),
    )


def _stands(scene: Scene, token: TokenFile) -> str:
    if not token.there:
        return f"{scene.layout.token_file}: no such file"
    odd = ", with a carriage return" if token.carriage_return else ""
    odd += ", with more than one line" if token.broken else ""
    stands = f"mode {token.mode}, owner {token.owner}, {token.size} bytes"
    return f"{scene.layout.token_file}: {stands}{odd}"


def token_exposed(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """A token that others can read, that is not root's, or that has stray line ends.

    With more than one line in the file, only a person knows which of them is the token.
    """
    token = token_file(facts)
    if token is None or not token.there or token.size == 0:
        return
    problems = [
        f"mode {token.mode} instead of 400" if token.mode not in ("400", "600") else "",
        f"owner {token.owner} instead of root" if token.owner != "root" else "",
        "a carriage return in it" if token.carriage_return else "",
        "more than one line in it" if token.broken else "",
    ]
    if any(problems):
        wrong = ", ".join(problem for problem in problems if problem)
        yield Finding(
            Cause.TOKEN_FILE,
            scene.host,
            f"The Doppler token file is not as it must be: {wrong}.",
            Confidence.CERTAIN,
            (_stands(scene, token),),
            Remedy(scene.new_token) if token.broken else _mend_token(scene),
        )


def _mend_token(scene: Scene) -> Remedy:
    file = scene.layout.token_file
    return Remedy(f"sudo chown root:root {file}; sudo chmod 400 {file}", Action.TOKEN)


def variable_missing(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """The Compose file cannot be filled in with what Doppler has."""
    error = compose_view(facts).error
    if not error:
        return
    found = MISSING_VARIABLE.search(error)
    name = next(filter(None, found.groups())) if found else ""
    yield Finding(
        Cause.VARIABLE_MISSING,
        scene.host,
        f"Doppler has no value for {name}." if name else "The Compose file is not valid.",
        Confidence.CERTAIN,
        (f"docker compose config: {error}",),
        Remedy(
            f"doppler secrets set {name} -p {scene.doppler_project} -c {scene.doppler_config}"
            if name
            else f"doppler run -- {scene.compose('config --quiet')}"
        ),
    )


def registry_refuses(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """The host cannot log in to the image registry."""
    if facts.doppler_answered and not facts.registry_asked:
        yield _registry(scene, "GITHUB_TOKEN is not in Doppler.", ("GITHUB_TOKEN: not there",))
    status, found, said = facts.registry.partition("|")
    if not found or status == "0":
        return
    if _LOGIN_REFUSED.search(said):
        lines = (f"docker login {scene.registry}:", *said.split("\n"))
        yield _registry(scene, f"{scene.registry} refuses the login with GITHUB_TOKEN.", lines)
    else:
        yield Finding(
            Cause.REGISTRY_AWAY,
            scene.host,
            f"{scene.registry} does not answer the login.",
            Confidence.LIKELY,
            tuple(said.split("\n")),
            Remedy(f"curl -sS https://{scene.registry}/v2/"),
        )


def _registry(scene: Scene, summary: str, evidence: tuple[str, ...]) -> Finding:
    scope = f"-p {scene.doppler_project} -c {scene.doppler_config}"
    return Finding(
        Cause.REGISTRY_REFUSES,
        scene.host,
        summary,
        Confidence.CERTAIN,
        evidence,
        Remedy(f"doppler secrets set GITHUB_TOKEN {scope}   # one that may read packages"),
    )


def image_missing(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """An image that a service needs and that the host does not have."""
    view = compose_view(facts)
    stopped = [c.service for c in facts.containers if c.state not in ("running", "restarting")]
    waiting = sorted({*view.without_container, *stopped} - {scene.layout.init_service})
    for image in view.without_image:
        yield Finding(
            Cause.IMAGE_MISSING,
            scene.host,
            f"The image {image} is not on the host.",
            Confidence.CERTAIN if waiting else Confidence.LIKELY,
            (
                f"docker image inspect {image}: no such image",
                f"without a running container: {', '.join(waiting)}" if waiting else "",
            ),
            Remedy(f"docker pull {image}   # or {scene.deploy}, which pulls what is missing"),
        )
