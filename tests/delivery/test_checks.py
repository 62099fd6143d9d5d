import pytest

from delivery.checks import Check, Level, checks_section, worst, worst_first

PASSED = Check("disk", Level.PASS, "40 GB free", host="TT-ec2-1")
WARNED = Check("token", Level.WARN, "expires in 3 days", "renew it")
FAILED = Check("clone", Level.FAIL, "edited by hand", "git -C /clone diff", "TT-ec2-1")


@pytest.mark.parametrize(
    ("checks", "level"),
    [
        ([], Level.PASS),
        ([PASSED], Level.PASS),
        ([PASSED, WARNED], Level.WARN),
        ([WARNED, FAILED, PASSED], Level.FAIL),
    ],
)
def test_the_worst_check_decides(checks: list[Check], level: Level) -> None:
    assert worst(checks) is level


def test_failed_checks_come_first_and_keep_their_order_otherwise() -> None:
    other = Check("port", Level.FAIL, "taken")
    assert worst_first([PASSED, FAILED, WARNED, other]) == [FAILED, other, WARNED, PASSED]


def test_a_table_counts_and_shows_what_to_do() -> None:
    text = checks_section("Preflight", [PASSED, FAILED])
    assert text.startswith("## Preflight: 1 fail, 0 warn, 1 pass\n")
    assert "| **FAIL** | clone | TT-ec2-1 | edited by hand | `git -C /clone diff` |" in text
    assert text.index("FAIL") < text.index("40 GB free")


def test_without_checks_there_is_no_section() -> None:
    assert checks_section("Preflight", []) == ""


def test_a_secret_in_evidence_or_remedy_is_not_kept() -> None:
    secret = "ghp_" + "a" * 36
    check = Check("login", Level.FAIL, f"said {secret}", f"use {secret}")
    assert secret not in str(check.as_json())


def test_as_json_has_plain_values_only() -> None:
    assert WARNED.as_json() == {
        "name": "token",
        "level": "warn",
        "evidence": "expires in 3 days",
        "remedy": "renew it",
        "host": "",
    }
