"""The files of the environments, and what a bad one says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.environment import Environment
from delivery.errors import ConfigurationError
from deployments.credentials import SECRET_VARIABLES, Credentials
from deployments.environment_blocks import environment_blocks
from deployments.environment_file import ENVIRONMENTS, Doors, Settings, load_file

GOOD = """
repository: tt/app
image: ghcr.io/tt/app
tag_value: TT-ec2-1
aws: {region: ap-northeast-2}
doppler: {project: tt, config: prd}
"""
CREDENTIALS = Credentials("bot", "ghp_x", "pw", "dp.st.x")
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "testing.yaml"
        path.write_text(text)
        return path

    return to_file


@pytest.mark.parametrize("path", sorted(ENVIRONMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_of_ours_makes_an_environment(path: Path) -> None:
    said = load_file(path, {"TT_REPOSITORY": "tt/app"})
    blocks = environment_blocks(path.stem, said, CREDENTIALS)
    assert blocks.environment(blocks.doors).name == path.stem


def test_the_lab_is_where_a_lab_is_if_nobody_says_otherwise() -> None:
    blocks = environment_blocks("lab", load_file(ENVIRONMENTS / "lab.yaml", {}), CREDENTIALS)
    lab = blocks.environment(blocks.doors)
    assert lab.image == "localhost:5000/tt-lab/tt-backend"
    assert lab.clone_url == "http://localhost:5011/tt-lab/tt-backend.git"
    assert lab.github_api_url == "http://localhost:5011"
    assert lab.doppler.api_url == "http://localhost:5012"
    assert lab.aws.aws_client_parameters.endpoint_url == "http://localhost:5010"
    assert lab.docker_host.base_url is None


def test_the_lab_is_where_its_variables_say() -> None:
    said = {
        "TT_LAB_REGISTRY": "localhost:7000",
        "TT_LAB_REPOSITORY": "me/app",
        "TT_LAB_GITHUB_URL": "http://localhost:7011",
        "TT_LAB_AWS_URL": "http://localhost:7010",
        "TT_LAB_DOCKER_HOST": "unix:///lab/docker.sock",
    }
    blocks = environment_blocks("lab", load_file(ENVIRONMENTS / "lab.yaml", said), CREDENTIALS)
    lab = blocks.environment(blocks.doors)
    assert lab.image == "localhost:7000/me/app"
    assert lab.clone_url == "http://localhost:7011/me/app.git"
    assert lab.aws.aws_client_parameters.endpoint_url == "http://localhost:7010"
    assert lab.docker_host.base_url == "unix:///lab/docker.sock"


def test_production_and_staging_share_no_host_and_no_secrets() -> None:
    files = [
        load_file(ENVIRONMENTS / f"{name}.yaml", {"TT_REPOSITORY": "tt/app"})
        for name in ("production", "staging")
    ]
    assert len({file.settings["tag_value"] for file in files}) == 2
    assert len({file.doors.doppler.config for file in files}) == 2


def test_whatever_the_block_knows_the_file_can_say() -> None:
    said = {*Settings.model_fields, *Doors.model_fields}
    only_secrets = {"github", "registry"}
    assert {*Environment.model_fields} - said - only_secrets == {"name"}


def test_what_the_file_leaves_out_has_the_blocks_own_default(write: Write) -> None:
    said = load_file(write(GOOD), {})
    assert {*said.settings} == {"repository", "image", "tag_value"}
    blocks = environment_blocks("testing", said, CREDENTIALS)
    assert blocks.environment(blocks.doors).branch == "develop"


def test_numbers_may_come_from_variables(write: Write) -> None:
    said = load_file(write(GOOD + "expected_hosts: ${HOSTS}\nhealth: {passes: 5}"), {"HOSTS": "3"})
    assert said.settings["expected_hosts"] == 3
    assert said.settings["health"].passes == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a YAML mapping"),
        ("- a", "not a YAML mapping"),
        ("a: [", "not YAML"),
        ("a: \x00", "not YAML"),
        (GOOD + "colour: red", "colour: Extra inputs are not permitted"),
        (GOOD + "name: other", "name: Extra inputs are not permitted"),
        (GOOD + "github: {}", "github: Extra inputs are not permitted"),
        (GOOD + "health: {pases: 3}", "health.pases: Extra inputs are not permitted"),
        (GOOD + "layout: {clone: here}", "layout.clone: String should match"),
        (GOOD + "expected_hosts: many", "expected_hosts: Input should be a valid integer"),
        (GOOD.replace("aws:", "swa:"), "swa: Extra inputs are not permitted"),
        (GOOD.replace("region: ap-northeast-2", ""), "region: Field required"),
        (GOOD.replace("image: ghcr.io/tt/app", ""), "image: Field required"),
    ],
)
def test_a_bad_file_says_what_is_wrong(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_file(write(text), {})
    assert message in caught.value.message
    assert "testing.yaml" in caught.value.where


def test_yaml_that_does_not_read_is_told_by_its_line(write: Write) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_file(write("a: 1\n\tb: 2\n"), {})
    assert "line 2" in caught.value.where


def test_what_only_the_block_can_tell_is_told_too(write: Write) -> None:
    said = load_file(write(GOOD.replace("ghcr.io/tt/app", "tt/app")), {})
    with pytest.raises(ConfigurationError, match=r"image: .*not an image repository"):
        environment_blocks("testing", said, CREDENTIALS)


def test_a_file_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there are: lab, production, staging"):
        load_file(tmp_path / "none.yaml", {})


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load_file(tmp_path, {})


def test_all_missing_variables_are_named_at_once(write: Write) -> None:
    text = GOOD + "branch: ${TT_BRANCH}\ngit_url: ${TT_GIT}\nplatform: ${TT_EMPTY}"
    with pytest.raises(ConfigurationError, match="TT_BRANCH, TT_GIT, TT_EMPTY") as caught:
        load_file(write(text), {"TT_EMPTY": ""})
    assert caught.value.next_command == "export TT_BRANCH=... TT_GIT=... TT_EMPTY=..."


def test_a_reference_that_does_not_read_is_shown(write: Write) -> None:
    with pytest.raises(ConfigurationError, match=r"\$\{1A\}"):
        load_file(write(GOOD + "branch: ${1A}"), {})


@pytest.mark.parametrize("name", sorted(SECRET_VARIABLES))
def test_a_secret_never_comes_through_the_file(write: Write, name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load_file(write(GOOD + f"branch: ${{{name}:-x}}"), {name: "x"})


@pytest.mark.parametrize(
    "secret", ["ghp_" + "a1B2" * 9, "dp.st.prd.AbCdEfGhIjKl", "https://user:pw@github.example/a"]
)
def test_a_credential_in_the_file_is_refused_and_not_shown(write: Write, secret: str) -> None:
    with pytest.raises(ConfigurationError, match="looks like a credential") as caught:
        load_file(write(GOOD + f"git_url: {secret}"), {})
    assert secret not in str(caught.value)
