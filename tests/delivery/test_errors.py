import pickle

import pytest

from delivery.errors import (
    DeliveryError,
    HostScriptFailed,
    HostUnreachable,
    RegistryUnavailable,
    SecretsUnavailable,
    SourceUnavailable,
    TransientError,
)
from delivery.rollout import HostOutcome


def test_an_error_says_what_where_the_last_words_and_what_to_type() -> None:
    error = HostScriptFailed(
        "It failed.", where="TT-ec2-1", last_words="no space left\n", next_command="df -h"
    )
    assert str(error) == "It failed.\nWhere: TT-ec2-1\nLast words:\nno space left\nNext: df -h"


def test_an_error_without_more_is_one_sentence() -> None:
    assert str(DeliveryError("It failed.")) == "It failed."


def test_an_error_survives_the_way_to_another_process() -> None:
    error = HostUnreachable("Gone.", where="here", last_words="bye", next_command="wait")
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is HostUnreachable
    assert str(arrived) == str(error)


def test_what_became_of_the_other_hosts_goes_with_it() -> None:
    outcomes = [HostOutcome("a", ("app",), "c"), HostOutcome("b", (), "", failure="no")]
    error = HostScriptFailed("No.", where="b").among(outcomes)
    arrived = pickle.loads(pickle.dumps(error))
    assert (str(arrived), arrived.outcomes) == (str(error), tuple(outcomes))
    assert HostScriptFailed("No.").outcomes == ()


@pytest.mark.parametrize(
    "kind", [SourceUnavailable, RegistryUnavailable, SecretsUnavailable, HostUnreachable]
)
def test_what_may_pass_by_itself_is_transient(kind: type[DeliveryError]) -> None:
    assert issubclass(kind, TransientError)


def test_a_script_that_failed_is_not_tried_again_by_itself() -> None:
    assert not issubclass(HostScriptFailed, TransientError)
