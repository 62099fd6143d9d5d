"""What the image promises, and would silently lose to a careless edit of its Dockerfile."""

from __future__ import annotations

import json
import re
from itertools import takewhile

from tests.stack.files import JVM_FLAGS, STACK

Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage with their arguments on one line, comments left out."""
    text = (STACK / "Dockerfile").read_text()
    text = re.sub(
        r"<<'(\w+)'(.*?)\n\1\n", lambda found: found[2].split("\n")[0] + "\n", text, flags=re.S
    )
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    instructions = [
        (name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name
    ]
    starts = [at for at, (name, _) in enumerate(instructions) if name == "FROM"]
    return [
        instructions[a:b] for a, b in zip(starts, [*starts[1:], len(instructions)], strict=True)
    ]


def arguments(stage: list[Instruction], name: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == name]


def test_it_is_built_by_gradle_and_runs_on_a_bare_java_21() -> None:
    builder, runtime = stages()

    assert arguments(builder, "FROM") == ["gradle:8.10.0-jdk21-alpine AS builder"]
    assert arguments(runtime, "FROM") == ["eclipse-temurin:21-jre-alpine"]
    assert arguments(runtime, "COPY") == ["--from=builder /workspace/app.jar app.jar"]


def test_dependencies_are_a_layer_that_no_edit_of_the_source_makes_again() -> None:
    builder, _ = stages()
    before_source = list(takewhile(lambda each: each != ("COPY", "src/ src/"), builder))

    assert len(before_source) < len(builder), "the source is never copied"
    (resolving,) = arguments(before_source, "RUN")
    assert resolving.startswith("./gradlew ")
    assert resolving.endswith(" dependencies")
    copied = " ".join(arguments(before_source, "COPY"))
    assert "build.gradle" in copied
    assert "src" not in copied
    assert not re.search(r"(^| )\. ", copied), "the whole tree is copied"


def test_the_jar_is_built_by_the_applications_own_gradle_without_its_tests() -> None:
    builder, _ = stages()

    building = arguments(builder, "RUN")[-1]
    assert re.search(r"\./gradlew (\S+ )*bootJar -x test\b", building)


def test_it_runs_as_spring_and_not_as_root() -> None:
    _, runtime = stages()

    assert arguments(runtime, "USER") == ["spring"]
    assert "adduser -S spring" in " ".join(arguments(runtime, "RUN"))
    after = [name for name, _ in runtime[runtime.index(("USER", "spring")) + 1 :]]
    assert after == ["EXPOSE", "ENTRYPOINT"]


def test_it_serves_on_8080() -> None:
    _, runtime = stages()

    assert arguments(runtime, "EXPOSE") == ["8080"]


def test_the_jvm_itself_gets_the_signals_and_fits_into_its_container() -> None:
    _, runtime = stages()

    (started,) = arguments(runtime, "ENTRYPOINT")
    assert json.loads(started) == ["java", *JVM_FLAGS, "-jar", "/app/app.jar"]
    assert arguments(runtime, "CMD") == []
