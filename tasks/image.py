"""Stage two: the released revision as an image in the registry, known by its digest."""

import datetime
import time
from collections.abc import Sequence

from prefect import get_run_logger, task

from blocks.buildx import BuildOrder
from blocks.environment import Environment
from blocks.git import SourceRepository
from blocks.registry import Registry
from delivery.errors import BuildError, Refused, RegistryError
from delivery.host_state import HostState
from delivery.image import Image, annotations, image_tag
from delivery.released import Release
from delivery.rollout import Bundle
from tasks.artifacts import publish_image
from tasks.release import open_source
from tasks.retrying import BACKOFF_SECONDS, THROUGH_AN_OUTAGE, retried

_REVISION_LABEL = "org.opencontainers.image.revision"
_VERSION_LABEL = "org.opencontainers.image.version"
_LOOK = retried(BACKOFF_SECONDS)


@task(name="build image and push", task_run_name="build {release.tag}", **THROUGH_AN_OUTAGE)
def build_image_and_push(target: Environment, release: Release) -> Image:
    """Build the released revision and push it; an image that is there is not built again.

    The digest is read back from the registry: what hosts will pull, not what was sent.
    """
    began = time.monotonic()
    registry = target.registry_door()
    try:
        image = find_image(registry, target, release)
        if image is None:
            _build(target, release)
            image = _pushed(registry, target, release)
    finally:
        registry.close()
    publish_image(target.name, image, seconds=time.monotonic() - began)
    return image


def find_image(registry: Registry, target: Environment, release: Release) -> Image | None:
    """The image of the release if the registry has it.

    Raises RegistryError if the tag names an image of another revision: overwriting it
    would change what an earlier release means.
    """
    tag = image_tag(release.tag)
    stored = registry.find(tag)
    if stored is None:
        return None
    revision = stored.labels.get(_REVISION_LABEL, "")
    if revision != release.sha:
        raise RegistryError(
            f"The image {tag} in the registry is of revision {revision[:12] or 'unknown'}, "
            f"not of {release.sha[:12]}.",
            where=target.image,
            next_command=f"docker buildx imagetools inspect {target.image}:{tag}",
        )
    get_run_logger().info("%s:%s is in the registry already; not built", target.image, tag)
    return Image(target.image, tag, stored.digest)


@task(name="find built release", task_run_name="find {tag}", **_LOOK)
def find_built_release(target: Environment, tag: str) -> tuple[Bundle, Image]:
    """A release by its image in the registry, which says which revision it was built from.

    Raises Refused if there is no such image, or if it does not say its revision.
    """
    registry = target.registry_door()
    try:
        stored = registry.find(image_tag(tag))
    finally:
        registry.close()
    revision = stored.labels.get(_REVISION_LABEL, "") if stored else ""
    if stored is None or not revision:
        raise Refused(
            f"The registry has no image {target.image}:{tag} that says its revision.",
            where=target.image,
            next_command=f"python -m flows.deploy --environment {target.name} --revision {tag}",
        )
    version = stored.labels.get(_VERSION_LABEL, tag)
    image = Image(target.image, tag, stored.digest)
    return Bundle.of_image(image, version=version, revision=revision), image


@task(name="check image", task_run_name="check that {bundle.tag} can be had", **_LOOK)
def check_image_is_there(target: Environment, states: Sequence[HostState], bundle: Bundle) -> Image:
    """The bundle's image, if every host has it or the registry does; else Refused."""
    repository, _, digest = bundle.image.partition("@")
    image = Image(repository, bundle.tag, digest)
    if all(bundle.image in state.images for state in states):
        return image
    registry = target.registry_door()
    try:
        stored = registry.find(digest)
    finally:
        registry.close()
    if stored is None:
        raise Refused(
            f"The image of {bundle.tag} is neither on every host nor in the registry.",
            where=bundle.image,
            next_command=f"python -m flows.deploy --environment {target.name} "
            f"--revision {bundle.revision}",
        )
    return image


def _build(target: Environment, release: Release) -> None:
    logger = get_run_logger()
    source = open_source(target)
    builder = target.builder_door()
    with source.working_copy(release.sha) as files:
        order = BuildOrder(
            context=files,
            dockerfile=target.dockerfile,
            names=(f"{target.image}:{image_tag(release.tag)}", f"{target.image}:latest"),
            cache=f"{target.image}:cache",
            labels=_labels(source, target, release),
            arguments=_arguments(source, target, release),
            platform=target.platform,
        )
        builder.build_and_push(order, on_line=logger.info, timeout_seconds=target.timeouts.build)


def _labels(source: SourceRepository, target: Environment, release: Release) -> dict[str, str]:
    return annotations(
        version=release.version,
        revision=release.sha,
        source=target.repository_url,
        created=source.committed_at(release.sha),
    )


def _arguments(source: SourceRepository, target: Environment, release: Release) -> dict[str, str]:
    """The Dockerfile's build arguments: what ``/actuator/info`` will say."""
    created = source.committed_at(release.sha).astimezone(datetime.UTC)
    return {
        "APP_VERSION": release.tag,
        "APP_REVISION": release.sha,
        "APP_SOURCE": target.repository_url,
        "APP_CREATED": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _pushed(registry: Registry, target: Environment, release: Release) -> Image:
    stored = registry.find(image_tag(release.tag))
    if stored is None:
        raise BuildError(
            "The image was pushed, but the registry does not have it.", where=target.image
        )
    return Image(target.image, image_tag(release.tag), stored.digest, built=True)
