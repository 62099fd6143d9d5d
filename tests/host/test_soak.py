"""host/soak.sh: a release that is watched is given up for what it does worse than the last."""

from pathlib import Path

import pytest

from tests.host.running import HOST, Machine, Ran

# What Docker and the gateway say, a line for each time that they are asked; the last for good.
# Time passes only where the script sleeps, half a second each time.
SOAK = """open_log; gateway=id restarts_at_first=0
candidate=tt-app-2 candidate_slot=b outgoing=tt-app-1 outgoing_slot=a
TT_SOAK_SECONDS=2 TT_SOAK_ERRORS=5
next_of() { sed -n 1p "$HOSTED/$1"; [ "$(wc -l <"$HOSTED/$1")" = 1 ] || sed -i 1d "$HOSTED/$1"; }
look_at() { life=$(next_of life); }; gateway_counts() { next_of "counts-$1"; }
gateway_look() { echo "$(next_of "counts-$1") $(next_of status)"; }
clean_up() { :; }; note_takeover() { :; }
unset SECONDS; SECONDS=0 slept=0; sleep() { slept=$((slept + 1)); SECONDS=$((slept / 2)); }
own_share_begins; own_share_ends; soak; succeed "\\"note\\":$(json_string "$note")"
"""


class Watched:
    """A release that takes over and is watched: what is seen of it and of the one before."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.folder: Path = machine.root / "hosted"
        self.folder.mkdir(parents=True)

    def __call__(
        self,
        *,
        life: str = "true 0",
        counts: str = "0 0",
        before: str = "0 0",
        status: str = "UP",
    ) -> Ran:
        said = {"life": life, "counts-b": counts, "counts-a": before, "status": status}
        for name, lines in said.items():
            (self.folder / name).write_text("".join(f"{line}\n" for line in lines.split(", ")))
        names = ("gateway", "application", "takeover", "soak")
        parts = [(HOST / f"{name}.sh").read_text() for name in names]
        return self._machine.run("\n".join([*parts, f"HOSTED={self.folder}", SOAK]))

    def given_up(self, **seen: str) -> str:
        """Why it was given up; empty if it was not."""
        return str(self(**seen).result.get("failed", ""))


@pytest.fixture
def watched(machine: Machine) -> Watched:
    return Watched(machine)


@pytest.mark.parametrize("end", ["false 0", "true 1"], ids=["ended", "came back"])
@pytest.mark.parametrize(
    "seen", [{"status": "DOWN"}, {"counts": "0 0, 100 50"}], ids=["down", "errors"]
)
def test_a_crash_is_told_as_one_though_the_gateway_notices_it_first(
    watched: Watched, seen: dict[str, str], end: str
) -> None:
    why = watched.given_up(life=f"true 0, true 0, {end}", **seen)
    assert why == "tt-app-2 crashed while it was watched"


def test_a_release_that_runs_on_is_given_up_for_what_the_gateway_saw(watched: Watched) -> None:
    assert watched.given_up() == ""
    down = watched.given_up(status="UP, DOWN 1/2")
    assert down.endswith("stopped answering while it was watched")
    assert watched.given_up(counts="0 0, 100 50").startswith("50 of 100 requests failed")
    assert watched.given_up(counts="0 0, 100 5") == ""


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("UP, DOWN, DOWN, DOWN, DOWN, UP", ""),
        ("UP, UP, UP, DOWN, DOWN, DOWN, DOWN, DOWN", "tt-app-2 stopped answering"),
    ],
    ids=["for a moment", "when the watch ends"],
)
def test_a_silence_counts_only_if_it_lasts(watched: Watched, status: str, why: str) -> None:
    assert watched.given_up(status=status).partition(" while")[0] == why


@pytest.mark.parametrize("counts", ["0 0, 100 20", "0 0, 100 26"], ids=["as many", "by chance"])
def test_a_release_that_fails_no_more_than_the_one_before_may_stay_and_that_is_said(
    watched: Watched, counts: str
) -> None:
    ran = watched(before="1000 10, 1200 50", counts=counts)
    assert ran.result["note"].endswith(
        f"{counts.split()[-1]} of 100 requests failed while it was watched, no more than of the "
        "release before (40 of 200): not this release's fault"
    )


def test_a_release_that_fails_more_than_a_bad_one_before_is_given_up(watched: Watched) -> None:
    why = watched.given_up(before="1000 10, 1200 50", counts="0 0, 100 50")
    assert why.endswith("(limit 5 %; of the release before 40 of 200)")


@pytest.mark.parametrize(
    "before",
    ["1000 10, 1010 12", "1000 10, 20 15", "1000 10, 1200 11"],
    ids=["too few to tell", "gateway started anew", "a good one"],
)
def test_the_configured_limit_holds_where_the_one_before_was_good_or_there_is_no_telling(
    watched: Watched, before: str
) -> None:
    assert watched.given_up(before=before, counts="0 0, 100 20").startswith("20 of 100 requests")


def test_within_the_configured_limit_nothing_is_said_of_the_one_before(watched: Watched) -> None:
    assert watched(before="1000 10, 1200 50", counts="0 0, 100 4").result["note"] == ""
