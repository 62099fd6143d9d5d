"""What a rollout does to each service: data stores only when allowed, the gateway never."""

from typing import Literal

import pytest

from delivery.policies import HostLayout
from delivery.stack_plan import (
    Act,
    ServiceChange,
    StackPlan,
    plan_stack,
    stack_plan_section,
    stores_to_replace,
)

LAYOUT = HostLayout()
ROLES = {"redis-node-1": "master", "redis-node-4": "slave", "redis-node-5": "slave"}
EVERYTHING = (
    "postgres",
    "redis-node-1",
    "redis-node-4",
    "redis-node-5",
    "redis-cluster-init",
    "app",
    "alertmanager",
    "prometheus",
    "gateway",
)


def change(service: str, how: Literal["same", "differs", "missing"] = "same") -> ServiceChange:
    role = ROLES.get(service, "") if how == "differs" else ""
    return ServiceChange(service=service, change=how, role=role)


def planned(
    *differing: str,
    missing: tuple[str, ...] = (),
    allowed: bool = False,
    strategy: str = "rolling",
) -> StackPlan:
    changes = [
        change(s, "differs" if s in differing else "missing" if s in missing else "same")
        for s in EVERYTHING
    ]
    return plan_stack("h", changes, LAYOUT, allow_data_stores=allowed, strategy=strategy)


def acts(plan: StackPlan) -> dict[str, Act]:
    return {step.service: step.act for step in plan.steps if step.act is not Act.KEEP}


def test_where_nothing_differs_only_the_one_shot_runs() -> None:
    plan = planned()
    assert acts(plan) == {"redis-cluster-init": Act.RUN}
    assert {step.service for step in plan.steps} == set(EVERYTHING)


def test_a_release_takes_over_and_the_rest_is_kept() -> None:
    assert acts(planned("app")) == {"redis-cluster-init": Act.RUN, "app": Act.TAKE_OVER}
    assert acts(planned("app", strategy="recreate"))["app"] is Act.REPLACE


def test_a_data_store_that_differs_is_left_alone_and_said_to_be() -> None:
    plan = planned("postgres", "app")
    assert acts(plan)["postgres"] is Act.LEAVE
    assert plan.warnings == [
        "postgres differs from its definition and was left alone; allow_data_stores"
    ]
    assert stores_to_replace([plan], LAYOUT) == ()


def test_allowed_ones_go_replicas_first_then_masters_then_postgres() -> None:
    plan = planned("postgres", "redis-node-1", "redis-node-4", "redis-node-5", allowed=True)
    assert stores_to_replace([plan], LAYOUT) == (
        "redis-node-4",
        "redis-node-5",
        "redis-node-1",
        "postgres",
    )
    why = {step.service: step.why for step in plan.steps}
    assert "health is down" in why["postgres"]
    assert "takes over first" in why["redis-node-1"]
    assert plan.warnings == []


def test_a_permission_replaces_nothing_that_is_as_defined() -> None:
    assert stores_to_replace([planned("app", "prometheus", allowed=True)], LAYOUT) == ()


def test_hosts_that_differ_are_taken_together() -> None:
    one, two = planned("redis-node-4", allowed=True), planned("redis-node-1", allowed=True)
    assert stores_to_replace([one, two], LAYOUT) == ("redis-node-4", "redis-node-1")


def test_the_gateway_is_never_replaced() -> None:
    plan = planned("gateway", allowed=True)
    assert acts(plan)["gateway"] is Act.LEAVE
    assert "by hand" in plan.warnings[0]


def test_the_rest_is_replaced_where_it_differs_after_the_application_dependencies_first() -> None:
    plan = planned("prometheus", "alertmanager", "app")
    assert list(acts(plan)) == ["redis-cluster-init", "app", "alertmanager", "prometheus"]


def test_what_is_missing_is_started() -> None:
    plan = planned(missing=EVERYTHING)
    assert set(acts(plan).values()) == {Act.START, Act.RUN}


def test_a_stack_without_gateway_or_one_shot_is_planned_too() -> None:
    plan = plan_stack("h", [change("app")], LAYOUT, allow_data_stores=False, strategy="rolling")
    assert [step.service for step in plan.steps] == ["app"]


def test_the_report_shows_what_is_left_alone_and_what_is_kept() -> None:
    text = stack_plan_section([planned("postgres", "app")])
    assert text.startswith("## Rollout plan\n")
    assert "| **leave alone** | `postgres` | h | differs from its definition; allow\\_data" in text
    assert "| take over | `app` | h |" in text
    assert "As defined, kept: `alertmanager`" in text


def test_without_anything_to_do_or_to_keep_there_is_no_table() -> None:
    assert stack_plan_section([]) == ""
    all_kept = plan_stack("h", [change("app")], LAYOUT, allow_data_stores=False, strategy="")
    assert stack_plan_section([all_kept]) == "## Rollout plan\n\nAs defined, kept: `app`"
    assert "kept" not in stack_plan_section([planned(missing=EVERYTHING)])


def test_a_plan_that_cannot_be_made_says_why() -> None:
    plan = StackPlan("h", unknown="the host cannot fetch it")
    assert "| **not known** |  | h | the host cannot fetch it |" in stack_plan_section([plan])
    assert plan.as_json() == [{"host": "h", "unknown": "the host cannot fetch it"}]


@pytest.mark.parametrize("allowed", [True, False])
def test_programs_read_all_but_what_is_kept(allowed: bool) -> None:
    rows = planned("postgres", allowed=allowed).as_json()
    assert [row["service"] for row in rows] == ["postgres", "redis-cluster-init"]
    assert rows[0]["act"] == ("replace" if allowed else "leave alone")
