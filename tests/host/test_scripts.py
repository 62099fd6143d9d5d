"""The scripts of host/ on their own: real git, and a docker and a doppler of the test's own."""

import json
import os
from pathlib import Path

import pytest

from delivery.host_script import read_answer
from delivery.host_state import (
    ObservedHost,
    PulledImages,
    RecordedRelease,
    RenderedConfiguration,
    SyncedSource,
    host_state,
)
from tests.host.running import HOST, Machine, Ran
from tests.repositories import WorkingRepository

IMAGE = "localhost:5000/tt/app@sha256:" + "a" * 64
REVISION = "0123456789abcdef0123456789abcdef01234567"
SECRETS = {
    "GITHUB_TOKEN": "ghp_secret0of0github00",
    "SLACK_WEBHOOK_AUTH": "https://hooks.slack.com/services/T1/B1/secret",
}

# What `doppler run ... -- COMMAND` does: the command, with the secrets in its environment.
DOPPLER = "\n".join(
    [
        'while [ "$1" != -- ]; do shift; done; shift',
        *(f"export {name}={value!r}" for name, value in SECRETS.items()),
        'exec "$@"',
    ]
)


# --- sync -------------------------------------------------------------------------------


@pytest.fixture
def origin(tmp_path: Path) -> WorkingRepository:
    repository = WorkingRepository(tmp_path / "origin")
    repository.commit("feat: first")
    return repository


@pytest.fixture
def clone(machine: Machine, origin: WorkingRepository) -> Path:
    folder = machine.root / "clone"
    origin.git("clone", "--quiet", origin.url, str(folder))
    return folder


def sync(machine: Machine, clone: Path, revision: str) -> Ran:
    return machine.run_file(
        "sync",
        TT_CLONE=str(clone),
        TT_REVISION=revision,
        TT_BRANCH="develop",
        TT_GIT_URL="https://github.com/tt/app.git",
    )


def test_the_clone_is_brought_to_exactly_the_released_revision(
    machine: Machine, origin: WorkingRepository, clone: Path
) -> None:
    first = origin.head()
    released = origin.commit("feat: released")
    origin.commit("feat: later, and not meant")
    answer = read_answer(SyncedSource, sync(machine, clone, released).printed, host="h")
    assert (answer.revision, answer.was, answer.discarded) == (released, first, 0)
    again = read_answer(SyncedSource, sync(machine, clone, released).printed, host="h")
    assert (again.revision, again.was) == (released, released)


def test_a_revision_that_is_there_needs_no_remote(
    machine: Machine, origin: WorkingRepository, clone: Path
) -> None:
    first = origin.head()
    origin.folder.rename(origin.folder.with_name("gone"))
    assert sync(machine, clone, first).status == 0


def test_edited_files_are_put_back_and_their_diff_is_kept_in_memory_only(
    machine: Machine, origin: WorkingRepository, clone: Path
) -> None:
    (clone / "counter").write_text("edited by hand, with a secret\n")
    answer = read_answer(SyncedSource, sync(machine, clone, origin.head()).printed, host="h")
    assert answer.discarded == 1
    assert (clone / "counter").read_text() == "1\n"
    kept = machine.memory / "discarded.diff"
    assert "+edited by hand, with a secret" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_containers_that_are_not_root_can_read_what_is_checked_out(
    machine: Machine, origin: WorkingRepository, clone: Path
) -> None:
    sync(machine, clone, origin.commit("feat: second"))
    assert (clone / "counter").stat().st_mode & 0o777 == 0o644


def test_a_revision_that_nobody_has_is_named(
    machine: Machine, origin: WorkingRepository, clone: Path
) -> None:
    ran = sync(machine, clone, REVISION)
    assert f"the revision {REVISION} is not in the repository" in ran.result["failed"]
    assert ran.result["transient"] is False


def test_a_remote_that_is_away_is_worth_another_try(
    machine: Machine, origin: WorkingRepository, clone: Path
) -> None:
    origin.folder.rename(origin.folder.with_name("gone"))
    assert sync(machine, clone, REVISION).result["transient"] is True


def test_a_clone_that_git_may_not_change_fails_with_gits_words(
    machine: Machine, origin: WorkingRepository, clone: Path
) -> None:
    revision = origin.commit("feat: second")
    (clone / ".git" / "index.lock").mkdir()
    ran = sync(machine, clone, revision)
    assert ran.status != 0
    assert ran.result["failed"] == f"git cannot check the revision out in {clone}"
    assert ran.result["next"] == f"sudo git -C {clone} reset --hard {revision}"
    assert "index.lock': File exists" in ran.printed
    assert ran.result["transient"] is False


@pytest.mark.parametrize("running", [False, True], ids=["its git is dead", "a git runs"])
def test_a_lock_that_a_dead_git_left_is_removed(
    machine: Machine, origin: WorkingRepository, clone: Path, *, running: bool
) -> None:
    revision = origin.commit("feat: second")
    lock = clone / ".git" / "index.lock"
    lock.touch()
    machine.program("pgrep", f'[ "$*" = "-x git" ] && {"true" if running else "false"}')
    ran = sync(machine, clone, revision)
    assert ran.result["ok"] is not running
    assert lock.exists() is running


def test_a_host_without_a_clone_says_how_to_make_one(machine: Machine) -> None:
    folder = machine.root / "none"
    ran = sync(machine, folder, REVISION)
    assert "there is no git clone" in ran.result["failed"]
    assert ran.result["next"] == f"sudo git clone https://github.com/tt/app.git {folder}"


def test_the_clone_is_declared_safe_once(
    machine: Machine, origin: WorkingRepository, clone: Path
) -> None:
    for _ in range(2):
        sync(machine, clone, origin.head())
    assert machine.git_config.read_text().count(f"directory = {clone}") == 1


# --- record and observe -----------------------------------------------------------------


def record(
    machine: Machine, version: str, generation: int, *, configuration: str = "c0ffee"
) -> Ran:
    return machine.run_file(
        "record",
        TT_APP_VERSION=version,
        TT_TAG=f"v{version}",
        TT_REVISION=REVISION,
        TT_APP_IMAGE=IMAGE,
        TT_GENERATION=str(generation),
        TT_NOW="2026-11-23T01:02:03Z",
        TT_CONFIGURATION=configuration,
    )


def observe(machine: Machine, **inputs: str) -> Ran:
    usual = {"TT_CLONE": str(machine.root), "TT_PROJECT": "tt", "TT_APP_SERVICE": "app"}
    return machine.run_file("observe", **{**usual, **inputs})


def seen(machine: Machine) -> ObservedHost:
    return read_answer(ObservedHost, observe(machine).printed, host="TT-ec2-1")


EMPTY_DOCKER = '[ "$1" = version ] && echo "Docker 28"; exit 0'


def test_what_is_recorded_is_what_is_observed_next_time(machine: Machine) -> None:
    machine.program("docker", EMPTY_DOCKER)
    for number, version in enumerate(["0.1.0", "0.2.0"], start=1):
        answer = read_answer(RecordedRelease, record(machine, version, number).printed, host="h")
        assert answer.releases == number
    state = host_state("TT-ec2-1", seen(machine))
    assert state.last_healthy is not None
    assert (state.version, state.generation, state.last_healthy.image) == ("0.2.0", 2, IMAGE)
    assert [release.version for release in state.record] == ["0.1.0", "0.2.0"]


def test_recording_the_same_deploy_again_adds_nothing(machine: Machine) -> None:
    for _ in range(2):
        ran = record(machine, "0.1.0", 7)
    assert ran.result["releases"] == 1


def test_a_release_that_is_rolled_out_again_and_again_pushes_no_other_out(machine: Machine) -> None:
    machine.program("docker", EMPTY_DOCKER)
    for number, version in enumerate(["0.1.0", "0.2.0", *["0.3.0"] * 8, "0.1.0"], start=1):
        record(machine, version, number, configuration=f"c{number}")
    state = host_state("TT-ec2-1", seen(machine))
    assert [(release.version, release.configuration) for release in state.record] == [
        ("0.2.0", "c2"),
        ("0.3.0", "c10"),
        ("0.1.0", "c11"),
    ]


def test_a_record_that_repeats_itself_is_mended_with_the_next_release(machine: Machine) -> None:
    record(machine, "0.1.0", 1)
    file = machine.state / "releases.jsonl"
    file.write_text(file.read_text().replace('"generation":1', '"generation":0') * 20)
    assert record(machine, "0.2.0", 2).result["releases"] == 2


def test_only_the_last_fifty_releases_are_kept(machine: Machine) -> None:
    machine.state.mkdir()
    lines = [json.dumps({"version": str(n), "generation": n}) for n in range(60)]
    (machine.state / "releases.jsonl").write_text("\n".join(lines) + "\n")
    assert record(machine, "9.9.9", 99).result["releases"] == 50
    assert "9.9.9" in (machine.state / "releases.jsonl").read_text().splitlines()[-1]


def test_an_older_deploy_records_nothing(machine: Machine) -> None:
    record(machine, "0.2.0", 2)
    assert record(machine, "0.1.0", 1).status == 1
    assert len((machine.state / "releases.jsonl").read_text().splitlines()) == 1


def test_a_new_host_is_observed_without_anything(machine: Machine) -> None:
    machine.program("docker", EMPTY_DOCKER)
    assert host_state("TT-ec2-1", seen(machine)).last_healthy is None
    assert (seen(machine).revision, seen(machine).generation, seen(machine).containers) == (
        "",
        0,
        (),
    )


def test_a_long_record_still_fits_into_what_ssm_keeps(machine: Machine) -> None:
    machine.program("docker", EMPTY_DOCKER)
    for number in (1, 2):
        record(machine, f"0.{number}.0-develop.123456", number)
    file = machine.state / "releases.jsonl"
    file.write_text(file.read_text() * 25)
    ran = observe(machine)
    assert len(ran.printed) < 24_000
    assert len(ran.result["record"]) == 20


def test_an_engine_that_does_not_answer_is_told_so(machine: Machine) -> None:
    machine.program("docker", "exit 1")
    assert observe(machine).result["failed"] == "the Docker engine does not answer"


# --- render -----------------------------------------------------------------------------


@pytest.fixture
def token_file(machine: Machine) -> Path:
    path = machine.root / "doppler-token"
    path.write_text("dp.st.prd.token0of0the0host\n")
    return path


def doppler_inputs(token_file: Path) -> dict[str, str]:
    return {
        "TT_TOKEN_FILE": str(token_file),
        "TT_DOPPLER_PROJECT": "tt",
        "TT_DOPPLER_CONFIG": "prd",
    }


def render(machine: Machine, token_file: Path, template: str) -> Ran:
    (machine.root / "alertmanager.yml").write_text(template)
    machine.program("doppler", DOPPLER)
    return machine.run_file(
        "render",
        TT_CLONE=str(machine.root),
        TT_TEMPLATE="alertmanager.yml",
        **doppler_inputs(token_file),
    )


def test_only_the_templates_own_variables_are_filled_in(machine: Machine, token_file: Path) -> None:
    ran = render(machine, token_file, "url: ${SLACK_WEBHOOK_AUTH}\ntext: $labels $GITHUB_TOKEN\n")
    answer = read_answer(RenderedConfiguration, ran.printed, host="h")
    rendered = machine.memory / "alertmanager.yml"
    assert answer.path == str(rendered)
    assert answer.variables == ("SLACK_WEBHOOK_AUTH",)
    filled = f"url: {SECRETS['SLACK_WEBHOOK_AUTH']}\ntext: $labels $GITHUB_TOKEN\n"
    assert rendered.read_text() == filled
    assert rendered.stat().st_mode & 0o777 == 0o400


def test_a_rendered_secret_is_in_memory_and_nowhere_else(
    machine: Machine, token_file: Path
) -> None:
    ran = render(machine, token_file, "url: ${SLACK_WEBHOOK_AUTH}\n")
    secret = SECRETS["SLACK_WEBHOOK_AUTH"]
    assert secret not in ran.printed + ran.noise
    held = [
        path
        for path in machine.root.rglob("*")
        if path.is_file() and path.parent != machine.programs and secret in path.read_text()
    ]
    assert held == [machine.memory / "alertmanager.yml"]


def test_a_template_without_variables_is_taken_as_it_is(machine: Machine, token_file: Path) -> None:
    assert render(machine, token_file, "route: {}\n").result["variables"] == []
    assert (machine.memory / "alertmanager.yml").read_text() == "route: {}\n"


def test_a_variable_that_doppler_lacks_is_named_and_the_old_file_stays(
    machine: Machine, token_file: Path
) -> None:
    render(machine, token_file, "route: {}\n")
    ran = render(machine, token_file, "url: ${NO_SUCH_SECRET}\n")
    assert "NO_SUCH_SECRET" in ran.result["failed"]
    assert (machine.memory / "alertmanager.yml").read_text() == "route: {}\n"
    assert [path.name for path in machine.memory.glob("*.new")] == []


# --- pull -------------------------------------------------------------------------------

# Writes down each call, with the login that its configuration holds by then.
DOCKER = """
echo "$* | password $(if [ "$1" = login ]; then cat; fi) | folder $DOCKER_CONFIG" >>"$CALLS"
case "$1" in
login) [ -z "${LOGIN_SAYS:-}" ] || { echo "$LOGIN_SAYS" >&2; exit 1; }; touch "$DOCKER_CONFIG/x" ;;
compose) if [[ $* == *"config --images" ]]; then echo "$IMAGES"; exit; fi
    [ -z "${HANGS:-}" ] || { touch "$HANGS"; sleep 60; }
    [ -z "${PULL_SAYS:-}" ] || { echo "$PULL_SAYS" >&2; exit 1; }; touch "$PULLED" ;;
image) [[ " $HERE " == *" ${*: -1} "* ]] ;;
images) echo sha256:old; [ ! -e "$PULLED" ] || echo sha256:new ;;
esac
"""


class Pulling:
    """``pull.sh`` with what Docker was asked."""

    def __init__(self, machine: Machine, token_file: Path) -> None:
        self._machine = machine
        self._token_file = token_file
        self._calls = machine.root / "calls"
        machine.program("docker", DOCKER)
        machine.program("doppler", DOPPLER)

    def run(self, **docker: str) -> Ran:
        return self._machine.run(self._script(docker), **self._inputs())

    def kill(self, hanging: Path) -> None:
        """Kill it while Docker pulls."""
        script = self._script({"HANGS": str(hanging)})
        self._machine.kill(script, once=hanging, **self._inputs())

    def _script(self, docker: dict[str, str]) -> str:
        docker = {"HERE": "", "IMAGES": IMAGE, **docker}
        parts = [f"export {name}=${value!r}" for name, value in docker.items()]
        parts.append(f"export CALLS={self._calls} PULLED={self._machine.root / 'pulled'}")
        parts += [(HOST / f"{name}.sh").read_text() for name in ("compose", "stores", "pull")]
        return "\n".join(parts)

    def _inputs(self) -> dict[str, str]:
        return {
            "TT_STEP": "pull",
            "TT_CLONE": str(self._machine.root),
            "TT_COMPOSE_FILE": "docker-compose.yml",
            "TT_PROJECT": "tt",
            "TT_REGISTRY": "localhost:5000",
            "TT_REGISTRY_USER": "tt-lab",
            "TT_APP_IMAGE": IMAGE,
            "TT_APP_SERVICE": "app",
            **doppler_inputs(self._token_file),
        }

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()


@pytest.fixture
def pulling(machine: Machine, token_file: Path) -> Pulling:
    return Pulling(machine, token_file)


def test_it_logs_in_pulls_and_logs_out_and_no_login_outlives_it(
    machine: Machine, pulling: Pulling
) -> None:
    ran = pulling.run()
    answer = read_answer(PulledImages, ran.printed, host="h")
    assert (answer.pulled, answer.present) == (("sha256:new",), 2)
    asked = [call.split()[0] for call in pulling.calls]
    assert asked[:6] == ["images", "image", "login", "compose", "logout", "images"]
    assert {call.split()[-1] for call in pulling.calls[6:] if "| password  |" not in call} == set()
    assert [path.name for path in machine.memory.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("here", "needs_registry"),
    [(f"{IMAGE} postgres:16", False), (IMAGE, True), ("postgres:16", True)],
    ids=["all", "the application's", "another's"],
)
def test_the_registry_is_asked_only_for_what_is_missing(
    pulling: Pulling, here: str, *, needs_registry: bool
) -> None:
    ran = pulling.run(HERE=here, IMAGES=f"{IMAGE}\npostgres:16", LOGIN_SAYS="connection refused")
    assert ran.result["ok"] is not needs_registry


def test_the_password_is_dopplers_and_travels_on_standard_input(pulling: Pulling) -> None:
    ran = pulling.run()
    (login,) = [call for call in pulling.calls if call.startswith("login")]
    assert login.startswith("login localhost:5000 --username tt-lab --password-stdin | ")
    assert f"| password {SECRETS['GITHUB_TOKEN']} |" in login
    assert SECRETS["GITHUB_TOKEN"] not in ran.printed + ran.noise


@pytest.mark.parametrize(
    ("says", "transient"),
    [
        ({"LOGIN_SAYS": "unauthorized: incorrect password"}, False),
        ({"LOGIN_SAYS": "failed with status: 401 Unauthorized"}, False),
        ({"LOGIN_SAYS": "failed with status: 403 Forbidden"}, False),
        ({"LOGIN_SAYS": "dial tcp: connection refused"}, True),
        ({"PULL_SAYS": "Error response from daemon: Unauthorized"}, False),
        ({"PULL_SAYS": "manifest unknown"}, False),
        ({"PULL_SAYS": "write: no space left on device"}, False),
        ({"PULL_SAYS": "net/http: TLS handshake timeout"}, True),
    ],
)
def test_what_may_pass_is_told_apart_and_the_login_is_gone_all_the_same(
    machine: Machine, pulling: Pulling, says: dict[str, str], transient: bool
) -> None:
    ran = pulling.run(**says)
    assert ran.status == 1
    assert ran.result["transient"] is transient
    assert next(iter(says.values())) in ran.said
    assert [path.name for path in machine.memory.iterdir() if path.is_dir()] == []


def test_a_login_that_a_kill_left_goes_with_the_next_pull(
    machine: Machine, pulling: Pulling
) -> None:
    pulling.kill(machine.root / "hanging")
    (left,) = [path for path in machine.memory.iterdir() if path.is_dir()]
    assert left.name.startswith("docker-config.")
    assert (left / "x").exists(), "what docker login wrote"
    pulling.run()
    assert [path.name for path in machine.memory.iterdir() if path.is_dir()] == []


def test_of_the_folders_in_memory_only_those_of_the_dead_go(machine: Machine) -> None:
    machine.memory.mkdir()
    living = f"plan.{os.getpid()}.abcdef"
    for name in (living, "plan.4194305.abcdef", "plan.abcdef", "preflight.4194305.abcdef", "jobs"):
        (machine.memory / name).mkdir()
    (machine.memory / "preflight.log").touch()
    ran = machine.run('open_log; folder=$(own_folder plan); touch "$folder/x"; succeed')
    assert ran.status == 0
    kept = sorted(path.name for path in machine.memory.iterdir())
    own = [name for name in kept if (machine.memory / name / "x").exists()]
    assert sorted({living, "jobs", "preflight.log", *own}) == kept
    assert len(own) == 1
