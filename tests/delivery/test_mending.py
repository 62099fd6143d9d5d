import dataclasses

from delivery.diagnosis import diagnose, unreachable, unread
from delivery.diagnosis_words import Told
from delivery.findings import Action, Cause, Confidence, Finding, Remedy
from delivery.mending import (
    MOST_ATTEMPTS,
    Attempt,
    Diagnosis,
    is_gone,
    is_hidden,
    next_to_mend,
)
from tests.delivery.facts import SCENE, facts
from tests.delivery.test_findings import FOLLOWS, STOPPED

TOKEN = Finding(
    Cause.TOKEN_FILE, "TT-ec2-1", "The token file is not as it must be.", Confidence.CERTAIN,
    (), Remedy("chmod 400", Action.TOKEN),
)  # fmt: skip


def test_nothing_found_is_clean() -> None:
    clean = Diagnosis("lab", ())
    assert (clean.outcome, clean.headline) == ("CLEAN", "lab: nothing is wrong")
    assert clean.as_markdown() == "# CLEAN: lab: nothing is wrong\n"


def test_what_was_found_and_not_mended_is_told_first() -> None:
    found = Diagnosis("lab", (STOPPED, FOLLOWS), left=(STOPPED, FOLLOWS))
    assert found.outcome == "FOUND"
    assert found.as_markdown().startswith(
        "# FOUND: lab: Postgres does not run.\n\n## Why: Postgres"
    )
    assert "What was done" not in found.as_markdown()
    assert [each["cause"] for each in found.as_json()["left"]] == [
        "database-stopped",
        "release-unhealthy",
    ]


def test_what_was_mended_says_what_it_was() -> None:
    mended = Diagnosis("lab", (STOPPED,), (Attempt(STOPPED, fixed=True),), ())
    assert mended.outcome == "MENDED"
    assert mended.headline == "lab: mended; it was: Postgres does not run."
    assert "| fixed | `restart` | tt-postgres-1 |" in mended.as_markdown()
    assert mended.as_json()["attempts"][0] == {
        "cause": "database-stopped",
        "host": "TT-ec2-1",
        "action": "restart",
        "container": "tt-postgres-1",
        "fixed": True,
        "words": "",
    }


def test_what_could_not_be_mended_is_left_with_its_command() -> None:
    tried = Attempt(TOKEN, fixed=False, words="it said ghp_" + "a" * 36)
    left = Diagnosis("lab", (TOKEN,), (tried,), (TOKEN,))
    text = left.as_markdown()
    assert "| **not fixed** | `token` | TT-ec2-1 | it said \\[redacted\\] |" in text
    assert "## What is left\n\n* The token file is not as it must be. `chmod 400`" in text


def test_an_attempt_without_an_action_reads_too() -> None:
    assert Attempt(FOLLOWS, fixed=False).as_json()["action"] == ""


def test_each_remedy_is_tried_once_roots_first() -> None:
    assert next_to_mend([FOLLOWS, STOPPED, TOKEN], set()) == STOPPED
    assert next_to_mend([STOPPED, TOKEN], {STOPPED.key}) == TOKEN
    assert next_to_mend([STOPPED, TOKEN], {STOPPED.key, TOKEN.key}) is None
    assert next_to_mend([FOLLOWS], set()) is None


def test_there_is_an_end_to_attempts() -> None:
    tried = {(str(n), "", "") for n in range(MOST_ATTEMPTS)}
    assert next_to_mend([STOPPED], tried) is None


def test_a_finding_is_gone_when_nothing_is_said_of_its_container_any_more() -> None:
    starting = dataclasses.replace(STOPPED, cause=Cause.SLOW_START)
    elsewhere = dataclasses.replace(STOPPED, host="TT-ec2-2")
    assert is_gone(STOPPED, [TOKEN, FOLLOWS, elsewhere], "all")
    assert not is_gone(STOPPED, [STOPPED], "all")
    assert not is_gone(STOPPED, [starting], "all")
    assert not is_gone(TOKEN, [TOKEN], "all")


def test_a_finding_is_not_gone_when_nothing_could_be_read_of_it() -> None:
    scene = dataclasses.replace(SCENE, host=STOPPED.host)
    broken = unread(scene, Told("diagnose", "It broke.", "no space left on device"))
    no_engine = diagnose(scene, facts(engine=""))
    for seen in (unreachable(scene, ["ConnectionLost"]), broken, no_engine):
        assert is_hidden(STOPPED, seen, "all")
        assert not is_gone(STOPPED, seen, "all")
        assert not is_gone(TOKEN, seen, "all")


def test_a_part_that_was_not_read_hides_what_is_read_from_it() -> None:
    seen = diagnose(SCENE, facts(unseen=["containers"]))
    assert is_hidden(STOPPED, seen, "all")
    assert is_gone(TOKEN, seen, "all")


def test_what_hides_one_finding_need_not_hide_another() -> None:
    full = dataclasses.replace(TOKEN, remedy=Remedy("docker image prune -f", Action.PRUNE))
    assert is_gone(full, diagnose(SCENE, facts(engine="")), "all")
    elsewhere = dataclasses.replace(SCENE, host="TT-ec2-2")
    assert is_gone(STOPPED, unreachable(elsewhere, ["ConnectionLost"]), "all")
    everywhere = dataclasses.replace(SCENE, host="all")
    assert not is_gone(STOPPED, unreachable(everywhere, ["AWS did not answer."]), "all")
    assert is_hidden(FOLLOWS, unreachable(everywhere, ["AWS did not answer."]), "all")
