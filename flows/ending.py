"""How a flow is called and how it ends: names, states, exit statuses, JSON."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

import httpx
from prefect import Flow, runtime
from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Completed, Failed

from blocks.environment import ENVIRONMENT_NAME
from delivery.errors import BadRequest, DeliveryError, PrefectUnavailable
from delivery.plot import in_words
from delivery.report import Outcome, Report
from flows.watched import watched

_DEFAULTS = {"revision": "head of the branch", "to": "the release before"}


class DeliveryFailed(Exception):
    """A deploy or a rollback ended other than wished for; ``report`` has the whole story."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"{report.outcome}: {report.headline}")
        self.report = report


def run_name(template: str) -> Callable[[], str]:
    """A flow run's name out of its parameters; absent ones read as the default that applies."""

    def name() -> str:
        given = {key: value for key, value in runtime.flow_run.parameters.items() if value}
        return template.format_map({**_DEFAULTS, **given})

    return name


def end_with(report: Report) -> State[Any]:
    """The flow's final state: green only if the outcome is what was wished for."""
    name = report.outcome.state_name
    if report.outcome.succeeded:
        return Completed(name=name, message=report.headline, data=report)
    if report.outcome is Outcome.SUPERSEDED:
        return Cancelled(name=name, message=report.headline, data=DeliveryFailed(report))
    return Failed(name=name, message=report.headline, data=DeliveryFailed(report))


def report_of(state: State[Any]) -> Report:
    """The report inside the final state of ``deploy`` or ``rollback``."""
    result = state.result(raise_on_failure=False)
    if isinstance(result, DeliveryFailed):
        return result.report
    if isinstance(result, Report):
        return result
    if isinstance(result, BaseException):
        raise result
    raise DeliveryError(f"The run ended as {state.name} without a report.")


def end_process(answer: Mapping[str, Any], *, succeeded: bool, as_json: bool, text: str) -> int:
    """Print the answer, as text or as one JSON object last, and give the exit status."""
    print(json.dumps(answer, ensure_ascii=False) if as_json else in_words(text))
    return 0 if succeeded else 1


def run_reported(of: Flow[..., Any], options: argparse.Namespace) -> int:
    """Run a flow that ends in a report, with the command line's options as its parameters."""
    given = {name: value for name, value in vars(options).items() if name != "json"}
    state = cast("State[Any]", of(**given, return_state=True))
    report = report_of(state)
    return end_process(
        report.as_json(),
        succeeded=report.outcome.succeeded,
        as_json=options.json,
        text=report.as_markdown(),
    )


def run_command(main: Callable[[list[str]], int]) -> None:
    """Run a flow's command line; an error of ours becomes its text and the right status."""
    try:
        with watched():
            status = main(sys.argv[1:])
    except (BadRequest, ParameterTypeError) as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except DeliveryError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    except Exception:
        away = _prefect_is_away()
        if away is None:
            raise
        print(f"error: {away}", file=sys.stderr)
        status = 1
    raise SystemExit(status)


def _prefect_is_away() -> PrefectUnavailable | None:
    """Whether a failure is for want of the Prefect server: it is asked, its errors vary."""
    url = PREFECT_API_URL.value()
    if not url:
        return None
    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=5.0).raise_for_status()
    except httpx.HTTPError as error:
        return PrefectUnavailable(
            f"The Prefect server does not answer: {type(error).__name__}.",
            where=url,
            next_command="prefect server start   # or correct PREFECT_API_URL",
        )
    return None


def allows_data_stores(parser: argparse.ArgumentParser) -> None:
    """Add ``--allow-data-stores``, as deploy, rollout and rollback have it."""
    parser.add_argument(
        "--allow-data-stores",
        action="store_true",
        help="also replace data stores whose definition changed, one at a time; data stays",
    )


def command_line(description: str, module: str) -> argparse.ArgumentParser:
    """The options that every flow's command line has."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument(
        "--environment", required=True, type=_environment_name, help="lab, staging, production, ..."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    return parser


def _environment_name(text: str) -> str:
    if not ENVIRONMENT_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no environment's name: use lower-case letters, digits and dashes"
        )
    return text
