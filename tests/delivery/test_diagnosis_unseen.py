"""What could not be seen is told: a diagnosis that is blind is not clean."""

from delivery.diagnosis import diagnose
from delivery.diagnosis_unseen import _LOOK
from delivery.diagnosis_words import Told
from delivery.findings import Confidence
from delivery.host_facts import PARTS
from tests.delivery.facts import SCENE, captured, causes, findings


def test_parts_that_were_not_read_are_named_with_what_to_type() -> None:
    (found,) = findings(unseen=["redis", "containers"], containers=[], redis="")
    assert (found.cause, found.confidence) == ("not-seen", Confidence.POSSIBLE)
    assert found.summary == "Not everything could be seen: containers, redis."
    assert found.evidence == ("no answer in time: containers, redis",)
    assert "docker compose -p tt ps --all\n" in found.remedy.command
    assert found.remedy.action is None
    assert found.unseen == {"containers", "redis"}


def test_parts_that_had_no_room_are_named_as_left_out() -> None:
    (found,) = findings(left_out="containers logs", unseen=["redis"], containers=[])
    assert found.evidence == ("no answer in time: redis", "no room in the answer: containers, logs")


def test_real_facts_of_a_host_with_nothing_of_its_containers_in_them_are_not_clean() -> None:
    healthy = captured("healthy.healthy")
    assert diagnose(SCENE, healthy) == []
    emptied = {"containers": (), "redis": "", "postgres": "", "actuator": ()}
    (found,) = diagnose(SCENE, healthy.model_copy(update=emptied))
    assert found.cause == "not-seen"


def test_what_is_no_part_of_the_look_is_nothing_to_look_for() -> None:
    assert causes(unseen=["engine"], left_out="last_failure now") == []


def test_a_host_on_which_nothing_was_ever_deployed_is_no_alarm() -> None:
    assert causes(containers=[], redis="", postgres="", actuator=["public 000"]) == []


def test_what_an_engine_that_is_down_hides_is_not_told_twice() -> None:
    assert causes(engine="", unseen=["containers"]) == ["engine-down"]


def test_what_was_not_seen_explains_no_failure() -> None:
    told = Told("replace the release", "It broke.")
    assert causes(told, unseen=["redis"]) == ["command-failed", "not-seen"]


def test_every_part_has_its_command() -> None:
    assert set(_LOOK) == PARTS
