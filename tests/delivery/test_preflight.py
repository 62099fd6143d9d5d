"""All findings before the first change, and which of them stop what."""

import dataclasses
import datetime
import re
from typing import Any

import pytest

from delivery.checks import Check, Level, reportable, worst
from delivery.errors import (
    AccessDenied,
    ConfigurationError,
    DeliveryError,
    HostUnreachable,
    Refused,
    SecretsError,
    SourceUnavailable,
)
from delivery.host_checks import ImageSight
from delivery.needs import Needs, SourceFiles, needs_of
from delivery.policies import HostLayout
from delivery.preflight import HostSight, Purpose, Site, demand_none_failed, weighed
from delivery.preflight_facts import PreflightHost
from delivery.preflight_policy import PreflightPolicy
from delivery.service_checks import (
    AgentStatus,
    GitHubAccess,
    ServiceToken,
    agent_check,
    rights_check,
)
from delivery.survey import (
    SeenHosts,
    SeenServices,
    any_unseen,
    checks_before_deploy,
    checks_of_hosts,
    instances_check,
)
from tests.delivery.test_drift import IMAGE, seen

NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC)
LAYOUT = HostLayout(init_service="init")
GIT_URL = "https://github.com/tt/app.git"
SITE = Site("lab", LAYOUT, PreflightPolicy(), "tt", "prd", "ghcr.io/tt/app", "tt-bot", GIT_URL)
NEEDS = needs_of(SourceFiles("c.yml", "services: {app: {ports: ['8080:8080']}}", "app"))
INSTANCE = instances_check(["h"])


def sight(**changes: Any) -> HostSight:
    facts = seen(**changes).model_copy(update={"clock": 100.5})
    return HostSight("h", facts, 100.0, 101.0)


def services(**changes: Any) -> SeenServices:
    usual = SeenServices(
        github=GitHubAccess(push=True),
        names=frozenset({"GITHUB_TOKEN", "DDL_AUTO"}),
        image=ImageSight(IMAGE, 1_000_000, "linux/amd64"),
    )
    return dataclasses.replace(usual, **changes)


def judged(
    hosts: HostSight | None = None,
    *,
    revision: Needs | DeliveryError = NEEDS,
    **changes: Any,
) -> list[Check]:
    all_hosts = SeenHosts((hosts or sight(),), (INSTANCE,))
    return checks_before_deploy(SITE, all_hosts, services(**changes), revision, now=NOW)


def not_passed(checks: list[Check]) -> list[tuple[str, Level]]:
    return [(check.name, check.level) for check in checks if check.level is not Level.PASS]


def test_a_healthy_environment_raises_no_alarm() -> None:
    checks = judged()
    assert not_passed(checks) == []
    names = {check.name for check in checks}
    assert {"instance", "engine", "token file", "doppler", "variables", "schema"} <= names
    assert {"registry login", "registry pull", "disk", "clock", "ports", "github"} <= names
    assert {"registry (worker)", "doppler (worker)", "way back", "drift: containers"} <= names


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"token": {"exists": True, "mode": "644"}}, "token file"),
        ({"secrets": {"state": "refused", "said": "Invalid Auth token"}}, "doppler"),
        ({"secrets": {"state": "ok", "names": ["DDL_AUTO"]}}, "variables"),
        ({"ports": ["8080 nc"]}, "ports"),
        ({"engine": None}, "engine"),
    ],
)
def test_the_cause_is_the_first_thing_that_fails(changes: Any, first: str) -> None:
    failed = [check for check in judged(sight(**changes)) if check.level is Level.FAIL]
    assert failed[0].name == first
    with pytest.raises(Refused) as refused:
        demand_none_failed(failed)
    assert refused.value.message.startswith(f"Preflight: {first}: ")
    assert refused.value.next_command == failed[0].remedy


BROKEN: list[dict[str, Any]] = [
    {
        "tools": ["envsubst"],
        "memory": 1,
        "engine": {
            "version": "20.0.0",
            "compose": "2.0.0",
            "architecture": "aarch64",
            "disks": ["/ 1 100 1 100"],
        },
        "token": {"exists": True, "mode": "644", "owner": 7, "returns": 1, "newlines": 2},
        "secrets": {
            "state": "ok",
            "names": [],
            "ddl": ["DDL_AUTO destructive"],
            "registry": {"login": "refused"},
        },
        "clone": {"exists": True, "revision": "a" * 40, "edited": ["x"], "reachable": False},
        "ports": ["8080 nc"],
        "certificates": ["1 /etc/a.pem", "0 /etc/b.pem"],
        "record": [],
    },
    {"engine": None, "token": {"exists": False}, "clone": {"exists": False}, "secrets": None},
    {"secrets": {"state": "no token"}, "token": {"exists": True, "mode": "600", "owner": 0}},
    {"secrets": {"state": "silent", "said": "timeout"}},
    {"secrets": {"state": "refused", "said": "Forbidden"}, "identity": {"accepted": True}},
    {"secrets": {"state": "refused", "said": "no such project"}, "identity": {"accepted": True}},
    {
        "secrets": {
            "state": "ok",
            "names": ["GITHUB_TOKEN"],
            "registry": {"login": "ok", "pull": 403},
        }
    },
]


def test_every_remedy_can_be_typed_as_it_stands() -> None:
    unread = ConfigurationError("The compose file is not YAML.", next_command="git show")
    no_push = GitHubAccess(push=False)
    found = [
        check
        for facts in BROKEN
        for revision in (NEEDS, unread)
        for check in judged(sight(**facts), revision=revision, github=no_push, image=None)
        if check.level is not Level.PASS
    ]
    names = {check.name for check in found}
    assert {"disk", "git clone", "doppler", "token file", "variables", "schema", "ports"} <= names
    placeholder = re.compile(r"\bENVIRONMENT\b|\bTOKEN_FILE\b|<\w+>|\bTAG\b")
    assert [check.remedy for check in found if placeholder.search(check.remedy)] == []
    assert [check.name for check in found if not check.remedy] == []


def test_the_others_that_failed_are_counted() -> None:
    two = [Check("disk", Level.FAIL, "full", "df"), Check("ports", Level.FAIL, "taken")]
    with pytest.raises(Refused, match=r"disk: full \(1 more in the table\)"):
        demand_none_failed(two)
    demand_none_failed([INSTANCE, Check("disk", Level.WARN, "nearly full")])


def test_a_revision_that_cannot_be_read_is_a_failed_check() -> None:
    error = ConfigurationError("The compose file is not YAML.", next_command="git show")
    failed = [c for c in judged(revision=error) if c.level is Level.FAIL]
    assert [(c.name, c.remedy) for c in failed] == [("revision", "git show")]


def test_what_ends_soon_is_told_by_what_it_is() -> None:
    soon = "2026-11-30 00:00:00 UTC"
    tokens = (ServiceToken("slug-of-the-host", "read/write", "2026-11-28T00:00:00Z"),)
    secrets = {**sight().facts.model_dump()["secrets"], "pull_token_expires": soon}
    endpoint = ("tt.example:443", NOW + datetime.timedelta(days=3))
    bad = ("old.example:443", ConfigurationError("not to be trusted"))
    fine = ("new.example:443", NOW + datetime.timedelta(days=300))
    away = ("away.example:443", HostUnreachable("No TLS endpoint answered"))
    checks = judged(
        sight(secrets=secrets, certificates=["1764460800 /etc/a.pem", "0 /etc/b.pem"]),
        github=GitHubAccess(push=True, expires=soon),
        tokens=tokens,
        certificates=(endpoint, bad, fine, away),
    )
    assert not_passed(checks) == [
        ("expiry: registry token", Level.WARN),
        ("expiry: /etc/a.pem", Level.FAIL),
        ("expiry: /etc/b.pem", Level.WARN),
        ("expiry: GitHub token", Level.WARN),
        ("expiry: Doppler token", Level.WARN),
        ("doppler scope", Level.WARN),
        ("expiry: tt.example:443", Level.WARN),
        ("expiry: old.example:443", Level.FAIL),
        ("expiry: away.example:443", Level.WARN),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"github": GitHubAccess(push=False)}, ("github", Level.FAIL)),
        ({"github": AccessDenied("401")}, ("github", Level.FAIL)),
        ({"github": SourceUnavailable("away")}, ("github", Level.WARN)),
        ({"image": AccessDenied("401")}, ("registry (worker)", Level.FAIL)),
        ({"image": HostUnreachable("away")}, ("registry (worker)", Level.WARN)),
        ({"names": SecretsError("refused")}, ("doppler (worker)", Level.WARN)),
        ({"names": frozenset()}, ("doppler (worker)", Level.WARN)),
    ],
)
def test_what_the_worker_sees_for_itself(changes: Any, expected: tuple[str, Level]) -> None:
    assert not_passed(judged(**changes)) == [expected]


def test_a_token_that_never_ends_and_only_reads_is_as_it_should_be() -> None:
    tokens = (ServiceToken("another"), ServiceToken("slug-of-the-host", "read"))
    assert not_passed(judged(tokens=tokens)) == []


def test_an_image_that_was_never_built_is_no_problem() -> None:
    assert not_passed(judged(image=None)) == []


def test_a_first_deploy_is_warned_that_there_is_no_way_back() -> None:
    new = sight(record=[], containers=[], app_image="")
    assert not_passed(judged(new)) == [("way back", Level.WARN)]


def test_a_way_back_whose_image_is_gone_from_the_host_is_warned_of() -> None:
    (gone,) = [c for c in judged(sight(images=[])) if c.level is Level.WARN]
    assert (gone.name, gone.host) == ("way back", "h")
    assert "the image of v1.0.0 is not on the host any more" in gone.evidence
    assert gone.remedy.startswith(f"docker pull {IMAGE}")
    unseen = judged(sight(images=[], containers=[]))
    assert ("way back", Level.WARN) not in not_passed(unseen)


def test_facts_that_are_missing_are_not_judged() -> None:
    blind = sight(token=None, clone=None, ports=None, identity=None, secrets=None)
    names = {check.name for check in checks_of_hosts(SITE, SeenHosts((blind,)), None, now=NOW)}
    assert {"token file", "git clone", "ports", "variables", "schema"}.isdisjoint(names)
    without = sight(secrets={"state": "ok"})
    names = {check.name for check in checks_of_hosts(SITE, SeenHosts((without,)), None, now=NOW)}
    assert "registry login" not in names


def test_what_a_rollout_needs_to_know_is_read_off_the_same_answers() -> None:
    (state,) = SeenHosts((sight(),)).states
    assert (state.host, state.version, state.running_image) == ("h", "1.0.0", IMAGE)


def test_without_a_view_of_the_hosts_the_workers_names_are_not_compared() -> None:
    nobody = SeenHosts((), (Check("ssm agent", Level.FAIL, "lost", host="h"),))
    checks = checks_before_deploy(SITE, nobody, services(), AccessDenied("no"), now=NOW)
    assert not_passed(checks) == [("ssm agent", Level.FAIL), ("revision", Level.FAIL)]
    assert not nobody.busy
    assert any_unseen(checks)
    assert not any_unseen(judged())


# --- which stop what ----------------------------------------------------------------------

FAILED = [Check(name, Level.FAIL, "x") for name in ("disk", "github", "doppler", "schema")]


def stopping(purpose: Purpose, *only_warn: str) -> list[str]:
    return [c.name for c in weighed(FAILED, purpose, only_warn) if c.level is Level.FAIL]


def test_a_deploy_is_stopped_by_everything_and_a_way_back_by_what_would_break_it() -> None:
    assert stopping(Purpose.DEPLOY) == ["disk", "github", "doppler", "schema"]
    assert stopping(Purpose.ROLL_OUT) == ["disk", "github", "doppler", "schema"]
    assert stopping(Purpose.GO_BACK) == ["doppler", "schema"]


def test_an_environment_may_let_a_check_only_warn() -> None:
    assert stopping(Purpose.DEPLOY, "disk", "github") == ["doppler", "schema"]
    assert worst(weighed(FAILED[:1], Purpose.DEPLOY, ["disk"])) is Level.WARN


def test_a_report_shows_all_if_one_failed_and_else_what_did_not_pass() -> None:
    warned = Check("disk", Level.WARN, "x")
    assert reportable([INSTANCE, warned]) == [warned]
    assert reportable([INSTANCE]) == []
    assert reportable([INSTANCE, FAILED[0]]) == [INSTANCE, FAILED[0]]


# --- AWS ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "level"),
    [
        (AgentStatus("Online", NOW, "3.3"), Level.PASS),
        (AgentStatus("Online", NOW - datetime.timedelta(hours=1)), Level.WARN),
        (AgentStatus("ConnectionLost", NOW), Level.FAIL),
        (None, Level.FAIL),
    ],
)
def test_the_agent_must_be_online_and_heard_of_lately(
    agent: AgentStatus | None, level: Level
) -> None:
    assert agent_check("h", agent, now=NOW, policy=PreflightPolicy()).level is level


@pytest.mark.parametrize(
    ("check", "level"),
    [
        (rights_check(None), Level.PASS),
        (rights_check(None, may_cancel=False), Level.WARN),
        (rights_check(ConfigurationError("lacks a right for sending")), Level.FAIL),
        (rights_check(ConfigurationError("may not ask"), only_agents=True), Level.WARN),
    ],
)
def test_the_rights_that_asking_shows(check: Check, level: Level) -> None:
    assert check.level is level


def test_the_answer_of_the_script_is_read_as_it_is_written() -> None:
    facts = PreflightHost.model_validate({"ok": True, "step": "preflight"})
    assert (facts.defined, dict(facts.held_ports), facts.engine_answers) == ({}, {}, False)
