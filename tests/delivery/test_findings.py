import pytest

from delivery.findings import (
    RANKING,
    Action,
    Cause,
    Confidence,
    Finding,
    Remedy,
    findings_section,
    findings_table,
)

SECRET = "ghp_" + "a" * 36
STOPPED = Finding(
    Cause.DATABASE_STOPPED,
    "TT-ec2-1",
    "Postgres does not run.",
    Confidence.CERTAIN,
    ("tt-postgres-1: exited, exit code 0",),
    Remedy("docker start tt-postgres-1", Action.RESTART, "tt-postgres-1"),
)
FOLLOWS = Finding(
    Cause.RELEASE_UNHEALTHY,
    "TT-ec2-1",
    "tt-app-1 is not healthy: db.",
    Confidence.CERTAIN,
    (),
    Remedy("mend it"),
    because="database-stopped",
)


def test_what_brings_others_about_ranks_before_them() -> None:
    order = [RANKING.index(cause) for cause in (
        Cause.HOST_UNREACHABLE, Cause.DISK_FULL, Cause.DATABASE_STOPPED, Cause.CONTAINER_CRASHES,
        Cause.HEALTH_TIMED_OUT,
    )]  # fmt: skip
    assert order == sorted(order)


def test_the_first_finding_is_told_in_full_and_the_others_in_a_table() -> None:
    text = findings_section([STOPPED, FOLLOWS])
    assert text.startswith("## Why: Postgres does not run.\n\n**certain** on TT-ec2-1")
    assert "```text\ntt-postgres-1: exited, exit code 0\n```" in text
    assert "```text\ndocker start tt-postgres-1\n```" in text
    assert "`diagnose` with `fix` does this by itself (restart)" in text
    assert text.index("Also found") < text.index("follows from database-stopped")


def test_a_finding_alone_and_without_evidence_or_host_still_reads() -> None:
    text = findings_section([Finding(Cause.COMMAND_FAILED, "", "It failed.", Confidence.POSSIBLE,
                                     (), Remedy("look"))])  # fmt: skip
    assert text.startswith("## Why: It failed.\n\n**possible** (`command-failed`)\n\nWhat to do")
    assert "Also found" not in text


def test_without_findings_there_is_no_section() -> None:
    assert findings_section([]) == ""


def test_a_row_shows_the_evidence_or_what_it_follows_from() -> None:
    text = findings_table([STOPPED, FOLLOWS])
    assert "exit code 0" in text
    assert "follows from database-stopped" in text
    assert "| mend" not in findings_table([STOPPED])


@pytest.mark.parametrize("where", ["summary", "evidence"])
def test_no_secret_stays_in_a_finding(where: str) -> None:
    fields = {"summary": "It failed.", "evidence": ("a line",)}
    fields[where] = f"said {SECRET}" if where == "summary" else (f"said {SECRET}",)
    finding = Finding(
        Cause.COMMAND_FAILED, "", str(fields["summary"]), Confidence.LIKELY,
        tuple(fields["evidence"]), Remedy("look"),
    )  # fmt: skip
    assert SECRET not in str(finding.as_json())
    assert "[redacted]" in str(finding.as_json())


def test_evidence_is_short_and_says_nothing_twice() -> None:
    lines = ("x" * 1000, "", "same", "same", *(f"line {n}" for n in range(50)))
    finding = Finding(Cause.DISK_FULL, "", "Full.", Confidence.LIKELY, lines, Remedy("df"))
    assert len(finding.evidence) == 12
    assert len(finding.evidence[0]) == 400
    assert finding.evidence[1:3] == ("same", "line 0")


def test_as_json_has_plain_values_only() -> None:
    assert STOPPED.as_json() == {
        "cause": "database-stopped",
        "host": "TT-ec2-1",
        "summary": "Postgres does not run.",
        "confidence": "certain",
        "evidence": ["tt-postgres-1: exited, exit code 0"],
        "remedy": "docker start tt-postgres-1",
        "action": "restart",
        "because": "",
    }
    assert FOLLOWS.as_json()["action"] == ""
