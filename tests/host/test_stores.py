"""host/stores.sh and host/compose.sh: what is replaced, what is left alone, in which order."""

import pytest

from tests.host.running import Machine
from tests.host.stack_double import SERVICES, StackDouble

START = "start_data_stores; succeed"


@pytest.fixture
def stack(machine: Machine) -> StackDouble:
    return StackDouble(machine)


def changes_listed(stack: StackDouble) -> dict[str, tuple[str, str]]:
    listed = stack.do('succeed "\\"services\\":$(list_changes)"').result["services"]
    return {each["service"]: (each["change"], each["role"]) for each in listed}


def test_each_service_is_compared_with_its_definition(stack: StackDouble) -> None:
    stack.runs("postgres", "older")
    stack.runs("redis-node-4", "older")
    stack.lacks("prometheus")
    listed = changes_listed(stack)
    assert list(listed) == SERVICES
    assert listed["postgres"] == ("differs", "")
    assert listed["redis-node-4"] == ("differs", "slave")
    assert listed["prometheus"] == ("missing", "")
    assert listed["redis-node-1"] == ("same", "")


def test_a_data_store_that_differs_is_left_alone(stack: StackDouble) -> None:
    stack.runs("postgres", "older")
    stack.runs("redis-node-1", "older")
    assert stack.do(START).status == 0
    assert stack.changes == []


def test_one_that_is_missing_is_started(stack: StackDouble) -> None:
    stack.lacks("redis-node-6")
    stack.do(START)
    assert stack.changes == ["up redis-node-6"]


def test_only_what_the_plan_names_is_replaced_in_its_order(stack: StackDouble) -> None:
    for service in ("postgres", "redis-node-4", "redis-node-5"):
        stack.runs(service, "older")
    ran = stack.do(START, replace="redis-node-5 postgres")
    assert ran.status == 0, ran.printed
    assert stack.changes == ["up redis-node-5", "up postgres"]
    assert "its volumes stay" in ran.said


def test_what_the_plan_names_but_is_as_defined_stays(stack: StackDouble) -> None:
    stack.do(START, replace="postgres redis-node-4")
    assert stack.changes == []


def test_a_replica_takes_over_before_its_master_goes(stack: StackDouble) -> None:
    stack.runs("redis-node-2", "older")
    ran = stack.do(START, replace="redis-node-2")
    assert stack.changes == ["failover redis-node-5", "up redis-node-2"]
    assert "redis-node-5 takes over from the master redis-node-2" in ran.said


def test_a_failover_that_redis_gave_up_is_asked_for_again(stack: StackDouble) -> None:
    stack.runs("redis-node-2", "older")
    stack.gives_a_failover_up()
    ran = stack.do(f"failover_seconds=1; {START}", replace="redis-node-2")
    assert ran.status == 0, ran.printed
    assert stack.changes == ["failover redis-node-5"] * 2 + ["up redis-node-2"]


def test_a_broken_store_goes_before_anything_waits_for_it(stack: StackDouble) -> None:
    stack.runs("redis-node-4", "older")
    stack.runs("redis-node-5", "older")
    stack.sickens("redis-node-5")
    stack.lacks("redis-node-6")
    stack.do(START, replace="redis-node-4 redis-node-5")
    assert stack.changes == ["up redis-node-5", "up redis-node-6", "up redis-node-4"]


def test_the_rest_is_replaced_only_where_it_differs_dependencies_first(stack: StackDouble) -> None:
    stack.runs("prometheus", "older")
    stack.runs("alertmanager", "older")
    assert stack.do("start_the_rest; succeed").status == 0
    assert stack.changes == ["up alertmanager", "up prometheus"]


def test_where_nothing_differs_compose_is_not_even_asked(stack: StackDouble) -> None:
    stack.runs("postgres", "older")
    stack.runs("gateway", "older")
    stack.runs("app", "older")
    stack.do("start_the_rest; succeed")
    assert stack.changes == []


def test_the_gateway_is_never_replaced(stack: StackDouble) -> None:
    stack.runs("gateway", "older")
    stack.do("start_gateway; succeed", replace="gateway")
    assert stack.changes == []
