"""A deploy's mark in Grafana: the password reaches curl by a pipe, and nobody else."""

import json

import pytest

from tests.host.running import Machine, Ran

MARK = json.dumps({"time": 1, "text": '1.1.0 is live ($(touch x) `y` "z")', "tags": ["deploy"]})
PASSWORD = 'pa"ss\\wo rd$(x)'
DOCKER = """case "$1" in
    ps) echo "${GRAFANA_ID-abc}" ;;
    port) echo "0.0.0.0:3001"; echo "[::]:3001" ;;
esac"""
# What curl was given: its arguments, and its configuration by standard input.
CURL = """printf '%s\\n' "$@" >"$TT_STATE_DIRECTORY/arguments"
cat >"$TT_STATE_DIRECTORY/configuration"
exit 0"""


@pytest.fixture
def host(machine: Machine) -> Machine:
    machine.program("docker", DOCKER)
    machine.program("curl", CURL)
    provide(machine, GRAFANA_PASSWORD=PASSWORD)
    token = machine.root / "token"
    token.write_text("dp.st.prd.token\r\n")
    return machine


def provide(machine: Machine, **secrets: str) -> None:
    lines = [f"export {name}={_quoted(value)}" for name, value in secrets.items()]
    start = 'while [ "$1" != -- ]; do shift; done; shift'
    machine.program("doppler", "\n".join([start, *lines, 'exec "$@"']))


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def annotate(machine: Machine) -> Ran:
    return machine.run_file(
        "annotate",
        TT_PROJECT="tt",
        TT_ANNOTATION=MARK,
        TT_TOKEN_FILE=str(machine.root / "token"),
        TT_DOPPLER_PROJECT="tt",
        TT_DOPPLER_CONFIG="prd",
    )


def test_the_mark_goes_to_grafana_on_loopback_with_the_password_by_a_pipe(host: Machine) -> None:
    ended = annotate(host)
    assert ended.result["annotated"] is True
    arguments = (host.state / "arguments").read_text()
    assert arguments.splitlines()[-1] == "http://127.0.0.1:3001/api/annotations"
    assert MARK in arguments
    assert "pa" + '"ss' not in arguments
    assert (host.state / "configuration").read_text() == ('user = "admin:pa\\"ss\\\\wo rd$(x)"\n')


def test_a_host_without_grafana_is_left_alone(host: Machine) -> None:
    host.program("docker", "true")
    assert annotate(host).result["annotated"] is False
    assert not (host.state / "arguments").exists()


def test_a_grafana_that_refuses_is_said_without_the_password(host: Machine) -> None:
    host.program("curl", "echo 'curl: (22) The requested URL returned error: 401' >&2; exit 22")
    ended = annotate(host)
    assert ended.status != 0
    assert "error: 401" in ended.result["failed"]
    assert "wo rd" not in ended.printed + ended.noise


def test_a_password_that_doppler_lacks_is_named(host: Machine) -> None:
    provide(host, OTHER="x")
    assert "GRAFANA_PASSWORD is not in Doppler" in annotate(host).result["failed"]
