"""What a rollout will do to each service of the stack, decided before it does anything."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from delivery.markdown import code, escape, table
from delivery.policies import HostLayout

ALLOWED_BY = "allow_data_stores"


class ServiceChange(BaseModel):
    """A service as the host sees it: its definition beside the container that it runs in.

    ``role`` is that of a Redis node that differs (``master``, ``slave``), else empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: str
    change: Literal["same", "differs", "missing"]
    role: str = ""


class Act(enum.StrEnum):
    """What a rollout does to a service."""

    START = "start"
    REPLACE = "replace"
    TAKE_OVER = "take over"
    RUN = "run once"
    LEAVE = "leave alone"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Step:
    """One service and what is done to it; ``why`` is for people."""

    service: str
    act: Act
    why: str = ""


@dataclass(frozen=True, slots=True)
class StackPlan:
    """What happens on one host, in order. ``unknown`` says why that cannot be told."""

    host: str
    steps: tuple[Step, ...] = ()
    unknown: str = ""

    @property
    def left_alone(self) -> tuple[Step, ...]:
        """What differs from its definition and stays as it is all the same."""
        return tuple(step for step in self.steps if step.act is Act.LEAVE)

    @property
    def warnings(self) -> list[str]:
        """A sentence for each service that is left alone."""
        return [
            f"{step.service} differs from its definition and was left alone; {step.why}"
            for step in self.left_alone
        ]

    def as_json(self) -> list[dict[str, Any]]:
        """The plan for programs: all but what is kept."""
        if self.unknown:
            return [{"host": self.host, "unknown": self.unknown}]
        return [
            {"host": self.host, "service": s.service, "act": s.act.value, "why": s.why}
            for s in self.steps
            if s.act is not Act.KEEP
        ]


def plan_stack(
    host: str,
    changes: Sequence[ServiceChange],
    layout: HostLayout,
    *,
    allow_data_stores: bool,
    strategy: str,
) -> StackPlan:
    """Decide what happens to each service; ``changes`` have dependencies first.

    Data stores are replaced only if that is allowed, Redis replicas before masters and
    whatever is no Redis last; the gateway never is.
    """
    stores = {change.service: change for change in changes if change.service in layout.data_stores}
    inner = {*layout.data_stores, layout.init_service, layout.gateway, layout.app_service}
    by_name = {change.service: change for change in changes}
    steps = [
        *_stores(stores.values(), allow_data_stores=allow_data_stores),
        *(_init(each) for each in _named(by_name, layout.init_service)),
        *(_gateway(each) for each in _named(by_name, layout.gateway)),
        *(_app(each, strategy) for each in _named(by_name, layout.app_service)),
        *(_other(change) for change in changes if change.service not in inner),
    ]
    return StackPlan(host, tuple(steps))


def stores_to_replace(plans: Iterable[StackPlan], layout: HostLayout) -> tuple[str, ...]:
    """The data stores that the plans replace, in order; the host passes over unchanged ones."""
    named = dict.fromkeys(
        step.service
        for plan in plans
        for step in plan.steps
        if step.act is Act.REPLACE and step.service in layout.data_stores
    )
    return tuple(named)


def _named(changes: dict[str, ServiceChange], name: str) -> list[ServiceChange]:
    return [changes[name]] if name in changes else []


def _stores(changes: Iterable[ServiceChange], *, allow_data_stores: bool) -> list[Step]:
    ordered = sorted(changes, key=_replacing_rank)
    missing = [Step(c.service, Act.START, "is missing") for c in ordered if c.change == "missing"]
    kept = [Step(c.service, Act.KEEP) for c in ordered if c.change == "same"]
    differing = [c for c in ordered if c.change == "differs"]
    if not allow_data_stores:
        return missing + kept + [Step(c.service, Act.LEAVE, ALLOWED_BY) for c in differing]
    return missing + kept + [Step(c.service, Act.REPLACE, _meanwhile(c)) for c in differing]


def _replacing_rank(change: ServiceChange) -> int:
    return {"slave": 0, "master": 1}.get(change.role, 2)


def _meanwhile(change: ServiceChange) -> str:
    if change.role == "slave":
        return "its definition changed; a replica, the cluster serves meanwhile"
    if change.role == "master":
        return "its definition changed; a replica takes over first"
    return "its definition changed; the application's health is down until it is back"


def _init(change: ServiceChange) -> Step:
    return Step(change.service, Act.RUN, "must end well before the application starts")


def _gateway(change: ServiceChange) -> Step:
    if change.change == "missing":
        return Step(change.service, Act.START, "is missing")
    if change.change == "same":
        return Step(change.service, Act.KEEP)
    return Step(change.service, Act.LEAVE, "by hand, as docs/rollouts.md says")


def _app(change: ServiceChange, strategy: str) -> Step:
    if change.change == "missing":
        return Step(change.service, Act.START, "nothing runs yet")
    if change.change == "same":
        return Step(change.service, Act.KEEP)
    if strategy == "recreate":
        return Step(change.service, Act.REPLACE, "in place: away until the new one answers")
    return Step(change.service, Act.TAKE_OVER, "beside the old one, no request is lost")


def _other(change: ServiceChange) -> Step:
    if change.change == "missing":
        return Step(change.service, Act.START, "is missing")
    if change.change == "same":
        return Step(change.service, Act.KEEP)
    return Step(change.service, Act.REPLACE, "its definition changed")


def stack_plan_section(plans: Sequence[StackPlan]) -> str:
    """The plans as a table, in order; what is kept in one line. Empty if there is no plan."""
    if not plans:
        return ""
    rows = [row for plan in plans for row in _rows(plan)]
    kept = sorted({s.service for plan in plans for s in plan.steps if s.act is Act.KEEP})
    parts = ["## Rollout plan"]
    if rows:
        parts.append(table(("", "Service", "Host", "Why"), rows))
    if kept:
        parts.append("As defined, kept: " + ", ".join(code(name) for name in kept))
    return "\n\n".join(parts)


def _rows(plan: StackPlan) -> list[tuple[str, str, str, str]]:
    if plan.unknown:
        return [("**not known**", "", escape(plan.host), escape(plan.unknown))]
    return [
        (
            f"**{step.act}**" if step.act is Act.LEAVE else str(step.act),
            code(step.service),
            escape(plan.host),
            escape(
                f"differs from its definition; {step.why}" if step.act is Act.LEAVE else step.why
            ),
        )
        for step in plan.steps
        if step.act is not Act.KEEP
    ]
