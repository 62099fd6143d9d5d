"""host/diagnose.sh and host/remedy.sh by a real bash, with a docker and a doppler of our own."""

import time
from pathlib import Path
from shlex import quote

import pytest

from delivery.diagnosis import diagnose as find
from delivery.host_facts import HostFacts, TokenFile, token_file
from delivery.host_script import read_answer
from tests.delivery.facts import SCENE
from tests.host.running import Machine, Ran

SECRETS = {
    "GITHUB_TOKEN": "ghp_secret0of0github00",
    "REDIS_PASSWORD": "hunter2-hunter2",
    "SMTP_PWD": "correct-horse",
    "MAIL_LOGIN": "opensesame",
    "SIGNATURE": "hunter2-hunter2-and-more",
    "CERTIFICATE": "line one\n   line two\n",
    "JDBC_URL": "jdbc:postgresql://tt:s3same@postgres/tt",
}
SETTINGS = {
    "AWS_REGION": "ap-northeast-2",
    "DDL_AUTO": "validate",
    "POSTGRES_USER": "ttuser",
    "JWT_EXPIRATION": "3600000",
    "HIKARI_LIFETIME": "30000ms",
    "KAKAO_REDIRECT": "https://tt.example/login/kakao",
    "LOGGING_LEVEL_ROOT": "WARNING",
}
DOPPLER = "\n".join(
    [
        '[ -z "${REFUSE:-}" ] || { echo "Doppler Error: Invalid Auth token" >&2; exit 1; }',
        'while [ "$1" != -- ]; do shift; done; shift',
        *(f"export {name}={quote(v)}" for name, v in {**SECRETS, **SETTINGS}.items()),
        'exec "$@"',
    ]
)
# Everything about containers comes from files that a test writes; a call is written down.
DOCKER = """
echo "$*" >>"$0.calls"
case "$*" in
version*) echo 28.5.2 ;;
login*) cat >"$0.password"; echo "Error: unauthorized, not $(cat "$0.password")" >&2; exit 1 ;;
ps*--quiet*) cat "$0.ids" 2>/dev/null || true ;;
inspect*compose.project*) cat "$0.project" 2>/dev/null ;;
inspect*compose.service*) cat "$0.rows" 2>/dev/null ;;
inspect*State.Status*) cat "$0.states" 2>/dev/null ;;
logs*) cat "$0.logs" 2>/dev/null || yes "the password is hunter2-hunter2" | head -n 200 ;;
inspect*Health.Log*) cat "$0.health" 2>/dev/null ;;
wait*) cat "$0.status" 2>/dev/null || echo 0 ;;
esac
"""


@pytest.fixture
def token(machine: Machine) -> Path:
    path = machine.root / "token"
    path.write_text("dp.st.prd.abcdefgh12345\n")
    path.chmod(0o400)
    machine.program("docker", DOCKER)
    machine.program("doppler", DOPPLER)
    return path


def diagnose(machine: Machine, token: Path, **inputs: str) -> Ran:
    return machine.run_file(
        "diagnose",
        **inputs,
        TT_PROJECT="tt",
        TT_CLONE=str(machine.root),
        TT_COMPOSE_FILE="docker-compose.yml",
        TT_APP_SERVICE="app",
        TT_APP_PORT="9",
        TT_TOKEN_FILE=str(token),
        TT_REGISTRY="ghcr.example",
        TT_REGISTRY_USER="tt-bot",
        TT_SINCE_SECONDS="600",
        TT_DOPPLER_PROJECT="tt",
        TT_DOPPLER_CONFIG="prd",
        TT_NAMES="localhost",
    )


def facts_of(ran: Ran) -> HostFacts:
    assert ran.status == 0, ran.printed + ran.noise
    return read_answer(HostFacts, ran.printed, host="h")


def told(machine: Machine, name: str, text: str) -> None:
    (machine.programs / f"docker.{name}").write_text(text)


def test_a_host_tells_how_it_stands(machine: Machine, token: Path) -> None:
    facts = facts_of(diagnose(machine, token))
    assert (facts.engine, facts.doppler_answered, facts.registry_asked) == ("28.5.2", True, True)
    assert token_file(facts) == TokenFile(True, "400", "root", 24)
    assert facts.disks
    assert {line.split()[0] for line in facts.memory} == {"MemTotal", "MemAvailable"}
    assert "localhost|yes" in facts.names
    assert (facts.unseen, facts.left_out) == ((), "")


@pytest.mark.parametrize("how", ["exit 1", "exec sleep 60"], ids=["fails", "hangs"])
def test_what_docker_does_not_list_is_told_as_unseen(
    machine: Machine, token: Path, how: str
) -> None:
    machine.program("docker", f'case "$1" in ps | inspect) {how} ;; esac\n{DOCKER}')
    machine.program("timeout", 'until [[ $1 =~ ^[0-9]+$ ]]; do shift; done; exec "${@:2}"')
    began = time.monotonic()
    facts = facts_of(
        diagnose(machine, token, TT_LOOK_SECONDS="6", TT_REDIS_NODES="redis-node-1:7000")
    )
    assert time.monotonic() - began < 45
    assert facts.engine == "28.5.2"
    assert {"containers", "redis", "postgres", "logs", "actuator"} <= set(facts.unseen)
    assert not {"disks", "token", "memory", "registry", "events"} & set(facts.unseen)
    causes = [finding.cause for finding in find(SCENE, facts)]
    assert "not-seen" in causes


def test_a_secret_whose_name_begins_like_our_inputs_reaches_compose_and_is_masked(
    machine: Machine, token: Path
) -> None:
    machine.state.mkdir(exist_ok=True)
    (machine.state / "releases.jsonl").write_text('{"image":"app@sha256:1"}\n')
    says = 'echo "project $TT_PROJECT, secret ${TT_API_SECRET:?}, status $TT_STATUS" >&2; exit 1'
    machine.program("docker", f'if [ "$1" = compose ]; then {says}; fi\n{DOCKER}')
    given = "export TT_API_SECRET=swordfish TT_STATUS=9 TT_PROJECT=theirs"
    machine.program("doppler", DOPPLER.replace("exec", f"{given}\nexec"))
    facts = facts_of(diagnose(machine, token))
    assert facts.doppler_answered
    assert facts.compose == ("error project tt, secret [redacted], status 9",)


def test_a_compose_that_hangs_is_no_broken_file(machine: Machine, token: Path) -> None:
    machine.state.mkdir(exist_ok=True)
    (machine.state / "releases.jsonl").write_text('{"image":"app@sha256:1"}\n')
    machine.program("docker", f'[ "$1" != compose ] || exit 124\n{DOCKER}')
    facts = facts_of(diagnose(machine, token))
    assert (facts.unseen, facts.compose) == (("compose",), ())


def test_nothing_is_left_behind_and_nothing_is_changed(machine: Machine, token: Path) -> None:
    diagnose(machine, token)
    assert [path.name for path in machine.memory.iterdir()] == []
    calls = (machine.programs / "docker.calls").read_text().splitlines()
    looks = {"version", "ps", "inspect", "events", "info", "login", "logout", "compose", "logs"}
    assert {call.split()[0] for call in calls} <= looks


def test_the_password_goes_to_the_registry_and_nowhere_else(machine: Machine, token: Path) -> None:
    ran = diagnose(machine, token)
    assert (machine.programs / "docker.password").read_text() == SECRETS["GITHUB_TOKEN"]
    assert facts_of(ran).registry == "1|Error: unauthorized, not [redacted]"
    for secret in (*SECRETS.values(), "dp.st.prd"):
        assert secret not in ran.printed + ran.noise


def test_values_of_secrets_in_a_container_s_log_are_masked_and_the_log_is_bounded(
    machine: Machine, token: Path
) -> None:
    told(machine, "ids", "".join(f"{n:064x}\n" for n in range(40)))
    told(machine, "states", "".join(f"/tt-app-{n}|exited||1|0\n" for n in range(40)))
    ran = diagnose(machine, token)
    assert "the password is [redacted]" in facts_of(ran).logs
    assert SECRETS["REDIS_PASSWORD"] not in ran.printed
    assert len(ran.printed) < 24_000


@pytest.mark.parametrize("secret", ["hunter2-hunter2", "correct-horse", "opensesame"])
@pytest.mark.parametrize("column", [200, 228, 236, 239])
def test_a_value_is_masked_before_its_line_is_cut(
    machine: Machine, token: Path, secret: str, column: int
) -> None:
    told(machine, "ids", f"{1:064x}\n")
    told(machine, "states", "/tt-app-1|exited|unhealthy|1|0\n")
    told(machine, "logs", f"{'x' * (column - 1)} {secret} {'y' * 9000}{secret}\n")
    told(machine, "health", f"{'z' * (column - 40)}{secret}\n")
    ran = diagnose(machine, token)
    logs = facts_of(ran).logs
    assert "x" * (column - 1) in logs
    assert "z" * (column - 40) in logs
    assert not [end for end in range(4, len(secret) + 1) if secret[:end] in ran.printed]


def test_values_are_masked_whatever_their_name_and_settings_stay_readable(
    machine: Machine, token: Path
) -> None:
    told(machine, "ids", f"{1:064x}\n")
    told(machine, "states", "/tt-app-1|exited||1|0\n")
    lines = [f"saw {value.strip()}." for value in (*SECRETS.values(), *SETTINGS.values())]
    told(machine, "logs", "\n".join(lines) + "\n")
    ran = diagnose(machine, token)
    logs = facts_of(ran).logs.split("\n")
    masked = ["saw [redacted]."] * 5 + ["saw [redacted]", "   [redacted].", "saw [redacted]."]
    assert [line for line in logs if "[redacted]" in line] == masked
    assert [line for line in logs if line in lines] == lines[len(SECRETS) :]


def test_more_than_there_is_room_for_is_left_out_by_name(machine: Machine, token: Path) -> None:
    row = '{"service":"app","name":"/tt-app-1","image":"%s"}' % ("x" * 300)
    told(machine, "ids", "".join(f"{n:064x}\n" for n in range(70)))
    told(machine, "rows", f"{row}\n" * 70)
    ran = diagnose(machine, token)
    assert "containers" in facts_of(ran).left_out
    assert len(ran.printed) < 24_000


def test_a_token_that_is_refused_leaves_the_rest_as_it_is(machine: Machine, token: Path) -> None:
    machine.program("doppler", f"REFUSE=yes\n{DOPPLER}")
    facts = facts_of(diagnose(machine, token))
    assert (facts.doppler_answered, facts.registry_asked) == (False, False)
    assert "Invalid Auth token" in facts.doppler
    assert facts.disks


def test_without_a_token_or_an_engine_there_is_an_answer_too(machine: Machine, token: Path) -> None:
    token.unlink()
    machine.program("docker", "exit 1")
    facts = facts_of(diagnose(machine, token))
    assert (facts.engine, facts.token.strip()) == ("", "no")


def test_the_last_step_that_failed_is_told_with_its_log(machine: Machine, token: Path) -> None:
    machine.run('open_log; say working; fail "login refused"', TT_STEP="pull")
    machine.run("open_log; say other; succeed", TT_STEP="pull")
    machine.run('open_log; fail "a look"', TT_STEP="observe")
    kept = facts_of(diagnose(machine, token)).last_failure
    assert " pull\nlogin refused\n" in kept
    assert "working" in kept


def test_a_secret_that_a_cut_would_halve_is_masked_before_it(machine: Machine, token: Path) -> None:
    secret = SECRETS["JDBC_URL"]
    log, why = f"{secret}{'.' * 2480}", f"{'.' * 980}{secret}"
    machine.run(f"open_log; echo {quote(log)}; fail {quote(why)}", TT_STEP="pull")
    kept = facts_of(diagnose(machine, token)).last_failure
    assert kept.count("[redacted]") == 2
    assert [part for part in ("jdbc:", "s3same", "postgres/tt") if part in kept] == []
    assert len(kept) < 3600


# --- remedies ---------------------------------------------------------------------------------


def remedy(machine: Machine, action: str, **inputs: str) -> Ran:
    return machine.run_file("remedy", TT_ACTION=action, TT_PROJECT="tt", **inputs)


def test_the_token_becomes_roots_alone_and_loses_its_line_ends(
    machine: Machine, token: Path
) -> None:
    token.chmod(0o644)
    token.write_bytes(b"dp.st.prd.abcdefgh12345\r\n")
    ran = remedy(machine, "token", TT_TOKEN_FILE=str(token))
    assert ran.status == 0, ran.printed
    assert token.read_bytes() == b"dp.st.prd.abcdefgh12345"
    assert token.stat().st_mode & 0o777 == 0o400
    assert "dp.st.prd" not in ran.printed
    assert [path.name for path in machine.root.glob("*.new")] == []


def test_an_empty_token_is_left_alone(machine: Machine, token: Path) -> None:
    token.chmod(0o600)
    token.write_text("")
    ran = remedy(machine, "token", TT_TOKEN_FILE=str(token))
    assert "not there or empty" in ran.result["failed"]


@pytest.mark.parametrize("text", [b"OLD\nNEW\n", b"OLD\r\n\r\nNEW", b"OLD\rNEW"])
def test_of_a_token_file_with_two_lines_nothing_is_changed(
    machine: Machine, token: Path, text: bytes
) -> None:
    token.chmod(0o600)
    token.write_bytes(text)
    stands = token_file(facts_of(diagnose(machine, token)))
    assert stands is not None
    assert stands.broken
    ran = remedy(machine, "token", TT_TOKEN_FILE=str(token))
    assert "has 2 lines: which one is the token?" in ran.result["failed"]
    assert ran.result["next"].startswith("sudo install -m 400")
    assert token.read_bytes() == text
    assert [path.name for path in machine.root.glob("*.new")] == []


def test_a_token_file_that_is_a_link_is_looked_at_and_mended_where_it_leads(
    machine: Machine, token: Path
) -> None:
    link = machine.root / "link"
    link.symlink_to(token.name)
    assert token_file(facts_of(diagnose(machine, link))) == TokenFile(True, "400", "root", 24)
    token.chmod(0o644)
    token.write_bytes(b"dp.st.prd.abcdefgh12345\r\n")
    assert remedy(machine, "token", TT_TOKEN_FILE=str(link)).status == 0
    assert link.is_symlink()
    assert token.read_bytes() == b"dp.st.prd.abcdefgh12345"
    assert token.stat().st_mode & 0o777 == 0o400


def test_only_a_container_of_the_project_is_restarted(machine: Machine, token: Path) -> None:
    told(machine, "project", "somebody-elses")
    ran = remedy(machine, "restart", TT_CONTAINER="theirs")
    assert "no container theirs of the project tt" in ran.result["failed"]
    told(machine, "project", "tt")
    assert remedy(machine, "restart", TT_CONTAINER="tt-app-1").status == 0
    assert "restart --time 30 tt-app-1" in (machine.programs / "docker.calls").read_text()


def initialise(machine: Machine, token: Path) -> Ran:
    return remedy(
        machine,
        "init-cluster",
        TT_INIT_SERVICE="init",
        TT_TOKEN_FILE=str(token),
        TT_DOPPLER_PROJECT="tt",
        TT_DOPPLER_CONFIG="prd",
        TT_CLONE=str(machine.root),
        TT_COMPOSE_FILE="docker-compose.yml",
    )


def test_the_initialisation_gets_a_new_container_with_the_password_of_today(
    machine: Machine, token: Path
) -> None:
    passed = '[ "$1" != compose ] || echo "$REDIS_PASSWORD $APP_IMAGE" >"$0.passed"'
    machine.program("docker", f"{passed}\n{DOCKER}")
    told(machine, "ids", "abc")
    ran = initialise(machine, token)
    assert ran.status == 0, ran.printed
    calls = (machine.programs / "docker.calls").read_text()
    assert "up --detach --no-deps --force-recreate init\n" in calls
    assert "start abc" not in calls
    kept = (machine.programs / "docker.passed").read_text()
    assert kept == f"{SECRETS['REDIS_PASSWORD']} unchanged\n"
    assert SECRETS["REDIS_PASSWORD"] not in ran.printed


def test_an_initialisation_that_fails_says_so(machine: Machine, token: Path) -> None:
    told(machine, "ids", "abc")
    told(machine, "status", "1")
    assert initialise(machine, token).result["failed"] == "init ended with status 1"
    machine.program("docker", 'echo "no such service: init" >&2; exit 1')
    failed = initialise(machine, token).result["failed"]
    assert failed == "init did not start: no such service: init"
    machine.program("doppler", f"REFUSE=yes\n{DOPPLER}")
    assert "Invalid Auth token" in initialise(machine, token).result["failed"]


@pytest.mark.parametrize("action", ["volume-rm", "cluster-reset", "restart; rm -rf /", "prune"])
def test_anything_else_is_refused(machine: Machine, action: str) -> None:
    ran = remedy(machine, action, TT_CONTAINER="x", TT_TOKEN_FILE="/nope")
    assert "is no remedy" in ran.result["failed"]


def test_no_remedy_can_lose_data() -> None:
    text = (Path(__file__).parents[2] / "host" / "remedy.sh").read_text()
    commands = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for barred in ("volume", "cluster reset", "flushall", "down", "rm -", "system prune"):
        assert not [line for line in commands if barred in line.lower()], barred
