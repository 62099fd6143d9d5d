"""Where a diagnosis takes place: the names that findings and their remedies are told in."""

from dataclasses import dataclass

from delivery.policies import HostLayout


@dataclass(frozen=True, slots=True)
class Scene:
    """One host of one environment; nothing of it is secret."""

    environment: str
    host: str
    layout: HostLayout
    doppler_project: str
    doppler_config: str
    registry: str
    redis_nodes: int

    def compose(self, words: str) -> str:
        """A ``docker compose`` command as it is typed on the host."""
        return f"docker compose -p {self.layout.project} {words}"

    def compose_up(self, words: str) -> str:
        """``docker compose up`` as it is typed on the host, with the secrets of today.

        The compose file demands the deploy's own two values by name; no service that is
        started so may have either.
        """
        folder, _, file = f"{self.layout.clone}/{self.layout.compose_file}".rpartition("/")
        return (
            f"sudo bash -c 'cd {folder}; APP_IMAGE=unchanged ALERTMANAGER_CONFIG=unchanged "
            f'DOPPLER_TOKEN=$(tr -d "\\r\\n" < {self.layout.token_file}) '
            f"doppler run -p {self.doppler_project} -c {self.doppler_config} -- "
            f"docker compose -p {self.layout.project} -f {file} up --detach --no-deps {words}'"
        )

    @property
    def deploy(self) -> str:
        """The command that starts a deploy again."""
        return f"python -m flows.deploy --environment {self.environment}"

    @property
    def mend(self) -> str:
        """The command that mends what is safe to mend; it prunes a full disk."""
        return f"python -m flows.diagnose --environment {self.environment} --fix"

    @property
    def ask_doppler(self) -> str:
        """The command that shows whether Doppler takes the host's token."""
        return (
            f'sudo bash -c \'DOPPLER_TOKEN=$(tr -d "\\r\\n" < {self.layout.token_file}) '
            f"doppler secrets --only-names -p {self.doppler_project} -c {self.doppler_config}'"
        )

    @property
    def new_token(self) -> str:
        """The command that puts a new token into its file."""
        return f"sudo install -m 400 /dev/stdin {self.layout.token_file}   # then paste it"
