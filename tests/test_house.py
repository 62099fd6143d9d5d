"""The rules of the house that no single part can see: layers, speed of import, hygiene."""

import ast
import importlib
import os
import pkgutil
import re
import resource
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prefect import Task
from prefect.cache_policies import NO_CACHE

import tasks

ROOT = Path(__file__).parents[1]
# In two parts, so that this file obeys the rule that it tests.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("deb", "debian", "org"),
        ("snapshot", "debian", "org"),
    )
]
# uv records the index by its public address, in a form that it alone decides.
NAMES_ITS_REGISTRY = {"uv.lock"}


def files_of_the_house(*patterns: str) -> list[Path]:
    """Every file that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """What a file says; nothing where it has just gone, as one of another test's may."""
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


def python(code: str, bytecode: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code; with a folder for its bytecode, as on a machine where it ran before."""
    environment = dict(os.environ)
    if bytecode is not None:
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = str(bytecode)
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


IMPORT_ALL_OF_DELIVERY = (
    "import importlib, pkgutil, delivery\n"
    "for each in pkgutil.walk_packages(delivery.__path__, 'delivery.'):\n"
    "    importlib.import_module(each.name)\n"
)


def test_imports_point_one_way() -> None:
    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert linted.returncode == 0, linted.stdout


def test_delivery_brings_no_prefect_and_no_network_library() -> None:
    barred = {"prefect", "boto3", "botocore", "httpx", "requests", "docker", "asyncio"}
    loaded = python(IMPORT_ALL_OF_DELIVERY + "import sys; print(*sys.modules)")
    assert loaded.returncode == 0, loaded.stderr
    assert barred.isdisjoint(loaded.stdout.split())


@pytest.mark.parametrize(
    ("code", "limit_seconds"),
    # Twice what a busy machine takes; Prefect alone would take more.
    [("import delivery.release", 0.2), (IMPORT_ALL_OF_DELIVERY, 0.8)],
    ids=["what plans a release", "all of it, Pydantic's models included"],
)
def test_delivery_imports_quickly(code: str, limit_seconds: float, tmp_path: Path) -> None:
    def best_of(code: str) -> float:
        """Seconds of processor time: other work on the machine must not count."""
        tries = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            assert python(code, tmp_path).returncode == 0
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            tries.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(tries)

    assert best_of(code) - best_of("pass") < limit_seconds


def test_no_file_names_a_registry_host() -> None:
    named = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in files_of_the_house()
        if path.name not in NAMES_ITS_REGISTRY
        for host in REGISTRY_HOSTS
        if host in text_of(path)
    ]
    assert named == []


def test_nothing_is_left_for_later() -> None:
    # Put together, so that this file obeys the rule that it tests.
    marks = re.compile(
        "|".join([r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"pytest\.mark\.sk" + "ip"])
    )
    left = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files_of_the_house("*.py", "*.sh", "*.md", "*.y*ml", "Makefile", ".ci/*")
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if marks.search(line)
    ]
    assert left == []


def test_every_relative_link_in_a_document_leads_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)} -> {target}"
        for path in files_of_the_house("*.md")
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text_of(path))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []


def test_the_documents_name_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = {
        (path.name, target)
        for path in files_of_the_house("*.md", ".ci/run", ".github/*")
        for target in re.findall(
            r"(?:`|^\s*|run: )make ([a-z][a-z-]*)", text_of(path), re.MULTILINE
        )
    }
    assert {(where, target) for where, target in named if target not in targets} == set()


@pytest.mark.parametrize("package", ["delivery", "blocks", "tasks", "flows", "deployments", "lab"])
def test_every_package_is_bound_by_the_layer_contracts(package: str) -> None:
    config = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    assert package in config["tool"]["importlinter"]["root_packages"]


def tasks_of_the_house() -> list[tuple[str, Task[..., Any]]]:
    modules = [
        importlib.import_module(each.name)
        for each in pkgutil.walk_packages(tasks.__path__, "tasks.")
    ]
    return [
        (f"{module.__name__}.{name}", value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Task) and value.fn.__module__ == module.__name__
    ]


def test_no_task_answers_from_a_cache() -> None:
    assert [name for name, task in tasks_of_the_house() if task.cache_policy != NO_CACHE] == []


def test_a_task_that_is_retried_says_for_which_failures_and_spreads_its_tries() -> None:
    careless = [
        name
        for name, task in tasks_of_the_house()
        if task.retries and not (task.retry_condition_fn and task.retry_jitter_factor)
    ]
    assert careless == []


def test_every_process_that_is_waited_for_has_a_time_limit() -> None:
    waiting = {"run", "call", "check_call", "check_output"}
    unbounded = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in files_of_the_house("*.py")
        for call in ast.walk(ast.parse(text_of(path)))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id, call.func.attr in waiting) == ("subprocess", True)
        and "timeout" not in {keyword.arg for keyword in call.keywords}
    ]
    assert unbounded == []
