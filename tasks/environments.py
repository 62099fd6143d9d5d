"""Loading an environment, and letting only one deploy into it at a time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prefect.concurrency.asyncio import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
)
from prefect.concurrency.sync import concurrency

from blocks.environment import Environment
from delivery.errors import ConfigurationError, Refused

_WAIT_SECONDS = 3600.0
_LEASE_SECONDS = 60.0


@contextmanager
def one_deploy_at_a_time(target: Environment) -> Iterator[None]:
    """Hold the environment's slot; waits for another deploy or rollback to end.

    The slot frees itself about a minute after its holder was killed. Raises Refused after
    an hour of waiting, and ConfigurationError if the limit was never registered.
    """
    with ExitStack() as held:
        try:
            held.enter_context(
                concurrency(
                    target.lock,
                    occupy=1,
                    timeout_seconds=_WAIT_SECONDS,
                    strict=True,
                    lease_duration=_LEASE_SECONDS,
                    raise_on_lease_renewal_failure=False,
                )
            )
        except AcquireConcurrencySlotTimeoutError:
            raise Refused(
                f"Another deploy has held {target.name} for an hour.",
                where=target.name,
                next_command=f"prefect gcl inspect {target.lock}",
            ) from None
        except ConcurrencySlotAcquisitionError:
            raise ConfigurationError(
                f"The concurrency limit {target.lock!r} does not exist or cannot be taken.",
                next_command=f"python -m deployments.register {target.name}",
            ) from None
        yield
