"""Doppler: which secrets exist. Their values stay in Doppler and on the host."""

from typing import Any

import httpx
from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field, SecretStr

from blocks.tls import trusted
from delivery.errors import SecretsError, SecretsUnavailable
from delivery.redaction import redact
from delivery.service_checks import ServiceToken


class DopplerSecrets(CredentialsBlock):
    """One Doppler config, read with a service token.

    The host has a token of its own (``/etc/tt-secrets/doppler-token``); this one lets the
    worker see which names exist, never their values.

    Example:
        ```python
        from blocks.doppler import DopplerSecrets

        doppler = DopplerSecrets.load("BLOCK_NAME")
        names = doppler.names()
        ```
    """

    _block_type_name = "Doppler Secrets"
    _block_type_slug = "doppler-secrets"
    _logo_url = "https://docs.doppler.com/favicon.ico"  # type: ignore[assignment]
    _documentation_url = "https://docs.doppler.com/docs/service-tokens"  # type: ignore[assignment]

    project: str = Field(default=..., description="Doppler project.", examples=["tt"])
    config: str = Field(default=..., description="Doppler config.", examples=["prd"])
    service_token: SecretStr = Field(
        default=..., description="Service token with read access to this config."
    )
    api_url: str = Field(
        default="https://api.doppler.com", title="API URL", description="Doppler's API."
    )
    timeout_seconds: float = Field(default=10.0, gt=0, description="How long one call may take.")

    def get_client(self) -> httpx.Client:
        """An HTTP client for Doppler's API, authorised; close it after use."""
        return httpx.Client(
            base_url=self.api_url,
            verify=trusted(),
            timeout=self.timeout_seconds,
            headers={"Authorization": f"Bearer {self.service_token.get_secret_value()}"},
        )

    def names(self) -> frozenset[str]:
        """The names of all secrets in the config.

        Raises SecretsError if Doppler refuses the token, the project or the config, and
        SecretsUnavailable if it does not answer properly.
        """
        names = self._listed("/v3/configs/config/secrets/names", "names")
        return frozenset(str(name) for name in names)

    def tokens(self) -> tuple[ServiceToken, ...]:
        """The config's service tokens, without their text; raises as ``names`` does.

        Doppler may refuse a service token this list: then nobody knows when tokens end.
        """
        rows = self._listed("/v3/configs/config/tokens", "tokens")
        return tuple(
            ServiceToken(
                slug=str(row.get("slug") or ""),
                access=str(row.get("access") or ""),
                expires=str(row.get("expires_at") or ""),
            )
            for row in rows
            if isinstance(row, dict)
        )

    def _listed(self, path: str, name: str) -> list[Any]:
        scope = {"project": self.project, "config": self.config}
        try:
            with self.get_client() as client:
                reply = client.get(path, params=scope)
        except httpx.HTTPError as error:
            raise SecretsUnavailable(
                f"Doppler did not answer: {type(error).__name__}.", where=self.api_url
            ) from None
        return self._accepted(reply, name)

    def _accepted(self, reply: httpx.Response, name: str) -> list[Any]:
        where = f"{self.api_url}, project {self.project}, config {self.config}"
        if reply.status_code >= 500 or reply.status_code == 429:
            raise SecretsUnavailable(f"Doppler answered {reply.status_code}.", where=where)
        body = _object_of(reply)
        if reply.status_code != 200:
            said = redact("; ".join(str(m) for m in body.get("messages") or []))
            raise SecretsError(
                f"Doppler refused ({reply.status_code}): {said or 'no reason given'}",
                where=where,
                next_command="doppler me   # with the block's token: is it valid, for this config?",
            )
        listed = body.get(name)
        if not isinstance(listed, list):
            raise SecretsUnavailable("Doppler's answer is not what its API promises.", where=where)
        return listed


def _object_of(reply: httpx.Response) -> dict[str, Any]:
    try:
        body = reply.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
