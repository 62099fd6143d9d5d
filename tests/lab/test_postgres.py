"""The lab's PostgreSQL, really run."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.errors import LabError
from lab.postgres import Postgres, can_run
from tests.postgres_servers import a_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with a_postgres() as made:
        yield made


def test_it_is_made_once_and_a_database_too(server: Postgres) -> None:
    server.sql("create table kept (n int)")
    server.create()
    server.have_database("prefect")
    server.have_database("copy", template="prefect")
    assert server.sql("select count(*) from kept", database="copy") == "0"
    assert {"prefect", "copy"} <= set(server.databases())


def test_nobody_gets_in_without_the_password(server: Postgres) -> None:
    with pytest.raises(LabError, match="password authentication failed"):
        replace(server, password="guessed").sql("select 1")


def test_what_is_wrong_is_said(server: Postgres) -> None:
    with pytest.raises(LabError, match=r'psql failed: .*"nowhere" does not exist'):
        server.sql("select * from nowhere")


def test_no_process_list_has_its_password(server: Postgres) -> None:
    listed = subprocess.run(
        ["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert f"-p {server.port}" in listed
    assert server.password not in listed


@pytest.mark.parametrize("user", [0, 1000])
def test_a_machine_without_user_namespaces_is_known_before(
    monkeypatch: pytest.MonkeyPatch, user: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert can_run() is bool(user)
