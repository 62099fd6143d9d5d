"""No script that runs on a host puts a secret where `ps` shows it: onto a command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.stack.files import ROOT

SCRIPTS = sorted([*(ROOT / "host").rglob("*.sh"), *(ROOT / "stack").rglob("*.sh")])
ARGUMENTS = r"\b[^|;&\n]*?\s"
"""From a command's name to one of its arguments, within the same command."""
TELLING = [
    "redis-cli" + ARGUMENTS + r"(-a|--pass|-u|--user)(?![\w-])",
    "redis-cli" + ARGUMENTS + r"-a[\"'$]",
    r"\bcurl" + ARGUMENTS + r"(-u|--user|--oauth2-bearer|--proxy-user)(?![\w-])",
    r"\bcurl" + ARGUMENTS + r"(-H|--header)[ =]?\S*(?i:authorization|token|api-key)",
    r"\b(wget)" + ARGUMENTS + r"--(http-|ftp-)?(password|header=\S*(?i:authorization))",
    r"\b(psql|pg_\w+|createdb)" + ARGUMENTS + r"\S*(password=|://[^\s/]*:[^\s/]*@)",
    r"\bdocker login" + ARGUMENTS + r"(-p|--password)(?![\w-])",
    r"\bdoppler" + ARGUMENTS + r"(-t|--token)(?![\w-])",
    r"\bdocker (compose )?(run|exec)"
    + ARGUMENTS
    + r"(-e|--env)[ =]\S*(PASSWORD|SECRET|TOKEN|AUTH)\w*=",
    r"\w+://[^\s/:@]*:\$[^\s@]*@",
]
"""What would tell a password to whoever lists processes."""


def commands(text: str) -> str:
    """A script without its comments, each command on one line."""
    without = re.sub(r"^\s*#.*$|\s#\s.*$", "", text, flags=re.MULTILINE)
    return without.replace("\\\n", " ")


def telling(text: str) -> list[str]:
    found = (re.search(pattern, commands(text)) for pattern in TELLING)
    return [match.group() for match in found if match]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_script_hands_a_password_to_a_program_as_an_argument(script: Path) -> None:
    assert telling(script.read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        'redis-cli -h "$host" -a "$REDISCLI_AUTH" ping',
        'redis-cli -p 7000 \\\n    --pass "$REDISCLI_AUTH" ping',
        'redis-cli -a"$REDISCLI_AUTH" ping',
        'curl --silent -u "admin:$GRAFANA_PASSWORD" http://localhost:3001',
        'curl -H "Authorization: Bearer $GITHUB_TOKEN" https://api.github.com',
        'psql "host=postgres password=$POSTGRES_PASSWORD" -c "select 1"',
        'psql "postgresql://tt:$POSTGRES_PASSWORD@postgres/tt"',
        'docker login ghcr.io --username tt --password "$GITHUB_TOKEN"',
        'docker exec --env "REDISCLI_AUTH=$REDIS_PASSWORD" redis redis-cli ping',
        'doppler run --token "$DOPPLER_TOKEN" -- env',
    ],
)
def test_such_a_line_would_be_found(line: str) -> None:
    assert telling(f"set -eu\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        'redis-cli -h "$host" -p "$port" --no-auth-warning ping | awk -a',
        'printf %s "$GITHUB_TOKEN" | docker login ghcr.io --username tt --password-stdin',
        'printf \'user = "%s"\' "$password" | curl --user-agent tt-deploy --config - http://localhost',
        'PGPASSWORD=$POSTGRES_PASSWORD psql --username tt -c "select 1"',
        "# redis-cli -a is what today's guide does",
    ],
)
def test_what_keeps_it_to_itself_is_let_through(line: str) -> None:
    assert telling(line) == []
