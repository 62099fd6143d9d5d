"""host/takeover.sh: whom it takes for the one that serves, and whom for a leftover."""

from pathlib import Path

import pytest

from tests.host.running import HOST, Machine, Ran
from tests.host.whole_host import WholeHost

# Containers are files in running/, with the definition that they were made from; those that
# answer are in ready/.
DOCKER = r"""
cd "$HOSTED"
case "$1" in
ps) case "$*" in *service=app*) ls running ;; *service=gateway*) echo gateway-id ;; esac ;;
inspect) name=${*: -1}; [ -f "running/$name" ] || exit 1
    case "$*" in *Running*) echo "true 0||$name" ;; *config-hash*) cat "running/$name" ;; esac ;;
stop | rm) echo "$1 ${*: -1}" >>done; [ "$1" = stop ] || rm -f "running/${*: -1}" ;;
esac
"""
LOOK = """open_log; TT_STOP_SECONDS=1 TT_DRAIN_SECONDS=1 gateway=gateway-id
is_ready() {
    [ -f "$HOSTED/ready/$1" ] || { mv "$HOSTED/late/$1" "$HOSTED/ready" 2>/dev/null; false; }
}
gateway_busy() { echo "busy $1" >>"$HOSTED/done"; echo 0; }
find_outgoing; find_spare; remove_leftovers
probes=none; stop_prober() { :; }; forget_rendered() { :; }
succeed "\\"outgoing\\":$(json_string "$outgoing")" "\\"spare\\":$(json_string "$spare")"
"""
# As recreate.sh does it; Compose keeps the one container that there is, under its name.
RECREATE = """open_log; TT_STOP_SECONDS=1 gateway=gateway-id compose=()
is_ready() { [ -f "$HOSTED/ready/$1" ]; }
gateway_follow() { :; }; gateway_sees() { [ "$1" = "$slot_active" ]; }
gateway_totals() { echo 1 0; }; gate() { :; }; clean_up() { :; }
with_secrets() { echo "$wanted" >"running/$(ls running | grep . || echo tt-app-1)"; }
cd "$HOSTED"; find_outgoing; retire_spare; remove_leftovers; replace_in_place
succeed "\\"candidate\\":$(json_string "$candidate")"
"""
# A takeover that fails; the gateway says how many requests are under way, `silent` for no answer.
UNDO = """open_log; TT_STOP_SECONDS=20 TT_DRAIN_SECONDS=5 gateway=id probes=none; cd "$HOSTED"
outgoing=tt-app-1 outgoing_slot=a candidate=tt-app-2 candidate_slot=b; read_slots
stop_prober() { :; }; forget_rendered() { :; }; gateway_fill() { :; }
gateway_serve() { echo "serve $1" >>done; }; gateway_empty() { echo "empty $1" >>done; }
gateway_busy() {
    echo "busy $1 $(cat busy)" >>done
    read -r now then <busy; echo "${then:-$now}" >busy
    [ "$now" != silent ] && echo "$now"
}
"""


class App:
    """The application's containers on a machine, and who is in which slot."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.folder = machine.root / "hosted"
        for name in ("running", "ready", "late"):
            (self.folder / name).mkdir(parents=True)
        machine.program("docker", f"HOSTED={self.folder}\n{DOCKER}")
        self._slots = ("", "", "")

    def runs(self, name: str, definition: str, *, ready: bool = True) -> None:
        (self.folder / "running" / name).write_text(f"{definition}\n")
        if ready:
            (self.folder / "ready" / name).touch()

    def slots(self, active: str, a: str, b: str) -> None:
        self._slots = (active, a, b)

    def look(self, wanted: str, body: str = LOOK) -> Ran:
        """Begin a takeover by the release ``wanted``, up to where something would start."""
        names = ("gateway", "application", "retiring", "takeover", "way_back")
        parts = [(HOST / f"{name}.sh").read_text() for name in names]
        active, a, b = self._slots
        known = f'mkdir -p "$tt_state"; write_slots {active} "{a}" "{b}"\n' if active else ""
        begin = f"HOSTED={self.folder}; wanted={wanted}\n{known}"
        script = "\n".join([*parts, begin, body])
        given = {"TT_PROJECT": "tt", "TT_APP_SERVICE": "app", "TT_GENERATION": "1"}
        return self._machine.run(script, TT_APP_PORT="8080", **given)

    @property
    def slots_now(self) -> list[str]:
        text = (self._machine.state / "gateway" / "current" / "slots").read_text()
        return [line.partition("=")[2] for line in text.splitlines()]

    @property
    def gone(self) -> list[str]:
        file = Path(self.folder / "done")
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def app(machine: Machine) -> App:
    return App(machine)


def test_files_that_the_gateway_would_not_start_with_are_refused_before_anything(
    machine: Machine,
) -> None:
    host = WholeHost(machine)
    assert host.rolled_out("one").result
    (machine.memory / "monitoring").unlink()  # as after a change of the files, or a reboot
    host.refuses_the_gateways_files("[ALERT] unknown keyword 'lsten'")
    refused = host.rolled_out("two").result
    assert refused
    assert refused["failed"].startswith("gateway would refuse its configuration; nothing was")
    assert refused["failed"].endswith("unknown keyword 'lsten'")
    assert (host.apps, host.serving, host.outages) == (["tt-app-1"], "one", [])


def test_the_admitted_one_serves_and_what_was_never_admitted_goes(app: App) -> None:
    app.runs("tt-app-1", "old")
    app.runs("tt-app-2", "never-admitted")
    app.slots("a", "tt-app-1", "")
    assert app.look("new").result["outgoing"] == "tt-app-1"
    assert app.gone == ["rm tt-app-2"]


def test_a_host_without_slots_serves_what_compose_started(app: App) -> None:
    app.runs("tt-app-1", "old")
    assert app.look("new").result["outgoing"] == "tt-app-1"
    assert app.slots_now == ["a", "tt-app-1", ""]


def test_the_warm_one_is_kept_for_a_way_back_to_it(app: App) -> None:
    app.runs("tt-app-1", "old")
    app.runs("tt-app-2", "new")
    app.slots("b", "tt-app-1", "tt-app-2")
    result = app.look("old").result
    assert (result["outgoing"], result["spare"]) == ("tt-app-2", "tt-app-1")
    assert app.gone == []


def test_the_warm_one_goes_with_its_grace_when_another_release_comes(app: App) -> None:
    app.runs("tt-app-1", "old")
    app.runs("tt-app-2", "new")
    app.slots("b", "tt-app-1", "tt-app-2")
    assert app.look("newer").result["spare"] == ""
    assert app.gone == ["stop tt-app-1", "rm tt-app-1"]
    assert app.slots_now == ["b", "", "tt-app-2"]


@pytest.mark.parametrize("wanted", ["old", "newer"])
def test_where_only_the_warm_one_is_ready_it_serves_and_is_never_taken_down(
    app: App, wanted: str
) -> None:
    app.runs("tt-app-1", "old")
    app.runs("tt-app-2", "new", ready=False)
    app.slots("b", "tt-app-1", "tt-app-2")
    assert app.look(wanted).result["outgoing"] == "tt-app-1"
    assert app.slots_now == ["a", "tt-app-1", ""]
    assert app.gone == ["busy b", "stop tt-app-2", "rm tt-app-2"]


def test_one_look_that_is_missed_ends_no_release_that_serves(app: App) -> None:
    app.runs("tt-app-1", "old")
    app.runs("tt-app-2", "new", ready=False)
    (app.folder / "late" / "tt-app-2").touch()
    app.slots("b", "tt-app-1", "tt-app-2")
    assert app.look("old").result["outgoing"] == "tt-app-2"
    assert app.slots_now == ["b", "tt-app-1", "tt-app-2"]
    assert app.gone == []


@pytest.mark.parametrize("script", ["rollout", "recreate"])
def test_the_gateway_follows_the_truth_before_anything_is_removed(script: str) -> None:
    story = (HOST / f"{script}.sh").read_text().splitlines()
    assert story.index("gateway_follow") < story.index("remove_leftovers")


def test_an_admitted_one_that_is_not_ready_serves_where_there_is_no_other(app: App) -> None:
    app.runs("tt-app-1", "old", ready=False)
    app.slots("a", "tt-app-1", "")
    assert app.look("new").result["outgoing"] == "tt-app-1"
    assert app.gone == []


@pytest.mark.parametrize(
    ("slots", "kept", "gone"),
    [
        (("b", "tt-app-1", "tt-app-2"), ["b", "", "tt-app-2"], ["stop tt-app-1", "rm tt-app-1"]),
        (("a", "tt-app-1", ""), ["a", "tt-app-1", ""], ["rm tt-app-2"]),
    ],
    ids=["one warm", "one never admitted"],
)
def test_recreate_leaves_compose_one_container_and_the_slots_name_it(
    app: App, slots: tuple[str, str, str], kept: list[str], gone: list[str]
) -> None:
    app.runs("tt-app-1", "old")
    app.runs("tt-app-2", "old")
    app.slots(*slots)
    assert app.look("new", RECREATE).result["candidate"] == max(kept)
    assert (app.slots_now, app.gone) == (kept, gone)


def test_recreate_starts_the_first_release_in_the_first_slot(app: App) -> None:
    assert app.look("new", RECREATE).result["candidate"] == "tt-app-1"
    assert app.slots_now == ["a", "tt-app-1", ""]


@pytest.mark.parametrize(
    ("admitted", "busy", "undone"),
    [
        (
            "tt-app-2",
            "2 0",
            ["serve a", "empty b", "busy b 2 0", "busy b 0", "stop tt-app-2", "rm tt-app-2"],
        ),
        (
            "tt-app-2",
            "silent",
            ["serve a", "empty b", "busy b silent", "stop tt-app-2", "rm tt-app-2"],
        ),
        ("tt-app-1", "2", ["empty b", "rm tt-app-2"]),
    ],
    ids=["served", "gateway away", "never served"],
)
def test_what_is_undone_answers_what_it_has_under_way_and_never_if_it_got_nothing(
    app: App, admitted: str, busy: str, undone: list[str]
) -> None:
    app.runs("tt-app-1", "old")
    app.runs("tt-app-2", "new")
    app.slots("b", "tt-app-1", "tt-app-2")
    (app.folder / "busy").write_text(f"{busy}\n")
    ran = app.look("new", f"{UNDO}admitted={admitted}; fail broke")
    assert ran.result["failed"] == "broke"
    assert app.gone == undone
    assert app.slots_now == ["a", "tt-app-1", ""]


def test_requests_that_never_end_hold_no_undoing_up(app: App) -> None:
    app.runs("tt-app-2", "new")
    app.slots("b", "tt-app-1", "tt-app-2")
    (app.folder / "busy").write_text("2\n")
    app.look("new", f"{UNDO}admitted=$candidate TT_DRAIN_SECONDS=1; fail broke")
    assert app.gone[-2:] == ["stop tt-app-2", "rm tt-app-2"]
