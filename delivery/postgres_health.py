"""Postgres' health: what it says to the application's user, and the verdict."""

from pydantic import BaseModel, ConfigDict

from delivery.health import Sample, does_not_hold
from delivery.host_script import HostAnswer


class PostgresSight(BaseModel):
    """One look as the application's user.

    ``connections`` are those that this user may have, all sessions together; ``pool`` is the
    size of one release's own pool. ``replicas`` follow it, ``replicas_broken`` of them not
    (a slot without its replica counts). ``error`` is what refused the connection or the write.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    answered: bool = False
    in_recovery: bool = False
    connections: int = 0
    used: int = 0
    pool: int = 0
    replicas: int = 0
    replicas_broken: int = 0
    lag_bytes: int = 0
    error: str = ""


class PostgresSamples(HostAnswer):
    """The answer of ``probe_postgres.sh``."""

    samples: list[PostgresSight]


def judge_postgres(sight: PostgresSight, *, pools: int, lag_bytes: int) -> Sample:
    """Answers and takes a write, has room for ``pools`` more pools, is followed if it should be.

    In recovery it is somebody's replica, and read-only. A replica may be ``lag_bytes`` behind.
    """
    if problem := _problem(sight, pools, lag_bytes):
        return does_not_hold(problem)
    left = sight.connections - sight.used
    followed = f", {sight.replicas} replicas streaming" if sight.replicas else ""
    return Sample(True, f"answers and takes a write, {left} connections left{followed}")


def _problem(sight: PostgresSight, pools: int, lag_bytes: int) -> str:
    if sight.in_recovery:
        return "answers, but is in recovery (read-only)"
    if sight.error or not sight.answered:
        return sight.error or "gave no answer that reads"
    left, needed = sight.connections - sight.used, pools * sight.pool
    if left < needed:
        return (
            f"only {left} of {sight.connections} connections are left; {pools} overlapping "
            f"pools of {sight.pool} may take {needed}"
        )
    if sight.replicas_broken:
        return f"{sight.replicas_broken} replication(s) not streaming"
    if sight.lag_bytes > lag_bytes:
        return f"a replica is {sight.lag_bytes} bytes behind"
    return ""
