"""The released revision as an image: built once, known by the registry's own digest."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from delivery.errors import BadRequest, BuildError, Refused, RegistryError, RegistryUnavailable
from delivery.host_state import HostState
from delivery.image import Image
from delivery.released import Release
from delivery.rollout import Bundle
from tasks.image import (
    build_image_and_push,
    check_image_is_there,
    find_built_release,
    find_image,
)
from tasks.release import open_source
from tasks.retrying import OUTAGE_SECONDS
from tests.fake_environment import IMAGE, FakeEnvironment, environment
from tests.fakes import refused
from tests.prefect_world import latest_artifact
from tests.repositories import WorkingRepository

SHA = "a" * 40


@pytest.fixture
def without_a_run() -> Iterator[None]:
    with disable_run_logger():
        yield


@pytest.fixture
def application(tmp_path: Path) -> WorkingRepository:
    repository = WorkingRepository(tmp_path / "application")
    (repository.folder / "Dockerfile").write_text("FROM scratch\n")
    repository.commit("feat: first", at=1_700_000_000)
    return repository


@pytest.fixture
def target(
    application: WorkingRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeEnvironment:
    monkeypatch.setenv("TT_CACHE", str(tmp_path / "cache"))
    made = environment(git_url=application.url)
    open_source(made).refresh()
    return made


def release(sha: str = SHA, tag: str = "v1.2.0") -> Release:
    return Release(
        tag=tag,
        version=tag.removeprefix("v"),
        sha=sha,
        previous_tag="",
        notes="",
        url="",
        created=True,
        reason="",
    )


@pytest.mark.usefixtures("without_a_run")
class TestFinding:
    def test_an_image_of_this_revision_is_found_by_its_digest(self) -> None:
        target = environment()
        digest = target.in_registry.put("v1.2.0", SHA)
        found = find_image(target.registry_door(), target, release())
        assert found == Image(IMAGE, "v1.2.0", digest, built=False)

    def test_none_is_none(self) -> None:
        target = environment()
        assert find_image(target.registry_door(), target, release()) is None

    @pytest.mark.parametrize("revision", ["b" * 40, ""], ids=["another", "unknown"])
    def test_an_image_of_another_revision_is_not_overwritten(self, revision: str) -> None:
        target = environment()
        target.in_registry.put("v1.2.0", revision)
        with pytest.raises(RegistryError, match="not of aaaaaaaaaaaa") as failure:
            find_image(target.registry_door(), target, release())
        assert not isinstance(failure.value, RegistryUnavailable)
        assert failure.value.next_command.endswith(f"{IMAGE}:v1.2.0")

    def test_a_tag_that_no_image_can_have_is_a_bad_request(self) -> None:
        target = environment()
        with pytest.raises(BadRequest):
            find_image(target.registry_door(), target, release(tag="v1.2.0+build.7"))

    def test_a_release_is_found_with_the_revision_that_it_was_built_from(self) -> None:
        target = environment()
        digest = target.in_registry.put("v1.2.0", SHA, version="1.2.0")
        bundle, image = find_built_release.fn(target, "v1.2.0")
        assert bundle == Bundle("1.2.0", "v1.2.0", SHA, f"{IMAGE}@{digest}")
        assert image.digest == digest

    def test_an_image_that_does_not_say_its_revision_is_no_release(self) -> None:
        target = environment()
        target.in_registry.put("v1.2.0", "")
        for tag in ("v1.2.0", "v9.9.9"):
            with pytest.raises(Refused, match="says its revision") as failure:
                find_built_release.fn(target, tag)
            assert failure.value.next_command.endswith(f"--environment testing --revision {tag}")


@pytest.mark.usefixtures("without_a_run")
class TestWayBack:
    def state(self, host: str, *images: str) -> HostState:
        return HostState(host, "", True, "", 0, (), frozenset(images))

    def test_an_image_on_every_host_needs_no_registry(self) -> None:
        target = environment()
        bundle = Bundle("1.1.0", "v1.1.0", SHA, f"{IMAGE}@sha256:{'1' * 64}")
        states = [self.state("one", bundle.image), self.state("two", bundle.image)]
        image = check_image_is_there.fn(target, states, bundle)
        assert image.reference == bundle.image
        assert target.in_registry.requests == []

    def test_an_image_that_a_host_lacks_must_be_in_the_registry(self) -> None:
        target = environment()
        digest = target.in_registry.put("v1.1.0", SHA)
        bundle = Bundle("1.1.0", "v1.1.0", SHA, f"{IMAGE}@{digest}")
        states = [self.state("one", bundle.image), self.state("two")]
        assert check_image_is_there.fn(target, states, bundle).digest == digest
        gone = Bundle("1.0.0", "v1.0.0", SHA, f"{IMAGE}@sha256:{'1' * 64}")
        with pytest.raises(Refused, match=r"image of v1\.0\.0 is neither") as failure:
            check_image_is_there.fn(target, states, gone)
        assert failure.value.next_command.endswith(f"--revision {SHA}")


@pytest.mark.prefect
class TestBuilding:
    def test_a_new_revision_is_built_from_exactly_its_files(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        wanted = application.head()
        application.commit("feat: later")
        open_source(target).refresh()
        build_image_and_push(target, release(wanted))
        (files,) = target.builder_door().files
        (order,) = target.builder_door().orders
        assert files == {"Dockerfile": "FROM scratch\n", "counter": "1\n"}
        assert order.names == (f"{IMAGE}:v1.2.0", f"{IMAGE}:latest")
        assert order.cache == f"{IMAGE}:cache"
        assert not order.context.exists()

    def test_the_image_says_what_it_is_the_same_at_every_build(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        build_image_and_push(target, release(application.head()))
        (order,) = target.builder_door().orders
        start = "org.opencontainers.image."
        assert order.labels == {
            f"{start}version": "1.2.0",
            f"{start}revision": application.head(),
            f"{start}source": target.repository_url,
            f"{start}created": "2023-11-14T22:13:20Z",
        }
        assert order.arguments["APP_VERSION"] == "v1.2.0"
        assert order.arguments["APP_CREATED"] == "2023-11-14T22:13:20Z"

    def test_its_digest_is_read_back_from_the_registry(
        self, target: FakeEnvironment, application: WorkingRepository, run_log: list[str]
    ) -> None:
        image = build_image_and_push(target, release(application.head()))
        assert image == Image(IMAGE, "v1.2.0", target.in_registry.tags["v1.2.0"], built=True)
        assert "INFO #1 building" in run_log
        artifact = latest_artifact("image-testing")
        assert f"docker pull {image.reference}" in artifact["data"]

    def test_what_is_in_the_registry_is_not_built_again(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        first = build_image_and_push(target, release(application.head()))
        again = build_image_and_push(target, release(application.head()))
        assert len(target.builder_door().orders) == 1
        assert (again.digest, again.built) == (first.digest, False)

    def test_a_push_that_did_not_arrive_is_an_error(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        target.builder_door().pushes = False
        with pytest.raises(BuildError, match="the registry does not have it"):
            build_image_and_push(target, release(application.head()))
        assert len(target.builder_door().orders) == 1, "a failed push is not tried again"

    def test_a_registry_that_is_away_for_two_minutes_is_waited_for(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        target.in_registry.fail(".", refused(), times=len(OUTAGE_SECONDS))
        patient = build_image_and_push.with_options(retry_delay_seconds=0)
        assert patient(target, release(application.head())).built
