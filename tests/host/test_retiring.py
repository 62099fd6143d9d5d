"""host/prune.sh: the release kept warm goes, then the images that no retained release needs."""

import json
from pathlib import Path

import pytest

from tests.host.running import HOST, Machine, Ran

REPOSITORY = "localhost:5000/tt/app"
# Docker's classic image store: each image an id, a digest and a tag, "-" for none. What has no tag
# counts as dangling, though it has a digest.
IMAGES = """id-1 REPOSITORY@sha256:1 -
id-2 REPOSITORY@sha256:2 -
id-3 REPOSITORY@sha256:3 -
id-4 postgres@sha256:4 -
id-5 - -
id-6 redis@sha256:6 redis:7
"""
# Each image takes a thousand bytes; whatever else Docker does, a database writes five thousand.
DOCKER = r"""
echo "$*" >>"$CALLS"
change=5000
[ "$1 $2" != "image rm" ] || change=-1000
echo $(($(<"$USED") + change)) >"$USED"
case "$1" in
ps)
    case "$*" in
    *service=gateway*) echo gateway-id ;;
    *.Image*) echo "REPOSITORY@sha256:3" ;;
    esac ;;
image)
    case "$2 ${*: -1}" in
    "ls dangling=true") awk '$3 == "-" { print $1 }' "$IMAGES" ;;
    ls*) awk 'index($2, "REPOSITORY@") == 1 { print $2 }' "$IMAGES" ;;
    inspect*) awk -v id="$5" '$1 == id { print ($3 != "-"), ($2 != "-") }' "$IMAGES" ;;
    rm*) awk -v name="$3" '$2 != name && !($1 == name && $2 $3 == "--")' "$IMAGES" >"$IMAGES.new"
        mv "$IMAGES.new" "$IMAGES" ;;
    prune*) sed -i '/ -$/d' "$IMAGES" ;;
    esac ;;
info) echo / ;;
esac
"""


@pytest.fixture
def calls(machine: Machine) -> Path:
    path = machine.root / "calls"
    path.touch()
    images = machine.root / "images"
    images.write_text(IMAGES.replace("REPOSITORY", REPOSITORY))
    body = DOCKER.replace("REPOSITORY", REPOSITORY)
    used = machine.root / "used"
    used.write_text("7000000")
    machine.program("docker", f"CALLS={path} IMAGES={images} USED={used}\n{body}")
    machine.program("df", f"echo Used; cat {used}")
    return path


def serving(machine: Machine, active: str, *, a: str, b: str) -> None:
    """Have the truth say who is in which slot, and two releases on record."""
    text = (HOST / "gateway.sh").read_text()
    machine.run(f'{text}\nopen_log; write_slots {active} "{a}" "{b}"; succeed', TT_APP_PORT="8080")
    lines = [json.dumps({"image": f"{REPOSITORY}@sha256:{n}"}, separators=(",", ":")) for n in "12"]
    (machine.state / "releases.jsonl").write_text("\n".join(lines) + "\n")


def prune(machine: Machine, *, retire: str, retain: int = 1) -> Ran:
    return machine.run_file(
        "prune",
        TT_IMAGE_REPOSITORY=REPOSITORY,
        TT_RETAIN=str(retain),
        TT_RETIRE=retire,
        TT_STOP_SECONDS="20",
        TT_APP_PORT="8080",
        TT_PROJECT="tt",
        TT_GATEWAY="gateway",
    )


def slots(machine: Machine) -> list[str]:
    text = (machine.state / "gateway" / "current" / "slots").read_text()
    return [line.partition("=")[2] for line in text.splitlines()]


def test_the_container_kept_warm_leaves_its_slot_and_is_stopped(
    machine: Machine, calls: Path
) -> None:
    serving(machine, "b", a="tt-app-1", b="tt-app-2")
    ran = prune(machine, retire="yes")
    assert ran.result["retired"] == "tt-app-1"
    assert slots(machine) == ["b", "", "tt-app-2"]
    done = calls.read_text()
    assert done.index("stop --time 20 tt-app-1") < done.index("rm --force tt-app-1")
    assert "tt-app-2" not in done


@pytest.mark.parametrize(("retire", "other"), [("no", "tt-app-1"), ("yes", "")])
def test_nothing_is_stopped_unless_asked_for_and_there(
    machine: Machine, calls: Path, retire: str, other: str
) -> None:
    serving(machine, "b", a=other, b="tt-app-2")
    assert prune(machine, retire=retire).result["retired"] == ""
    assert "stop" not in calls.read_text()


def test_only_images_that_no_retained_release_and_no_container_needs_go(
    machine: Machine, calls: Path
) -> None:
    serving(machine, "b", a="", b="tt-app-2")
    ran = prune(machine, retire="no")
    assert ran.result["removed"] == 1
    # Two images less, one of them nameless, whatever a database wrote in between.
    assert ran.result["freed_bytes"] == 2000
    assert f"image rm {REPOSITORY}@sha256:1" in calls.read_text()
    assert prune(machine, retire="no", retain=2).result["removed"] == 0


def test_what_dangles_for_want_of_a_tag_stays_and_only_the_nameless_goes(
    machine: Machine, calls: Path
) -> None:
    serving(machine, "b", a="", b="tt-app-2")
    assert prune(machine, retire="no", retain=2).result["removed"] == 0
    left = (machine.root / "images").read_text().splitlines()
    assert [line.split()[0] for line in left] == ["id-1", "id-2", "id-3", "id-4", "id-6"]


def test_a_release_that_is_on_record_often_takes_no_other_ones_place(
    machine: Machine, calls: Path
) -> None:
    serving(machine, "b", a="", b="tt-app-2")
    record = machine.state / "releases.jsonl"
    first, second = record.read_text().splitlines()
    record.write_text("\n".join([first, *[second] * 6]) + "\n")
    assert prune(machine, retire="no", retain=2).result["removed"] == 0
