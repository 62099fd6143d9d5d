"""Keeping the form of ``rollback`` true: it offers what the hosts can go back to."""

from collections.abc import Sequence

from prefect import get_client, get_run_logger
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.exceptions import ObjectNotFound

from blocks.environment import Environment
from delivery.rollback_form import with_choices


def offer_ways_back(target: Environment, tags: Sequence[str]) -> bool:
    """Have the deployment ``rollback/ENVIRONMENT`` offer these tags; whether there is one.

    An offer, not a limit: any other version is taken as before. Serving the flows anew
    (``prefect deploy --all``) takes the offer away until ``drift`` or a release brings it back.
    """
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(f"rollback/{target.name}")
        except ObjectNotFound:
            return False
        form = with_choices(deployment.parameter_openapi_schema or {}, tags)
        if form == deployment.parameter_openapi_schema:
            return True
        client.update_deployment(
            deployment.id, DeploymentUpdate.model_validate({"parameter_openapi_schema": form})
        )
    get_run_logger().info("rollback offers: %s", ", ".join(tags) or "nothing")
    return True
