"""How a flow is called and how it ends: names, states, exit statuses, JSON."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import httpx
from prefect import Flow, runtime
from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Completed, Failed

from blocks.environment import ENVIRONMENT_NAME
from blocks.tls import trusted
from delivery.answer import answer_of_failure, whole_answer
from delivery.errors import BadRequest, DeliveryError, PrefectUnavailable
from delivery.plot import in_words
from delivery.report import Outcome, Report
from flows.watched import watched

_NO_PARAMETERS = ("json", "began")
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


def end_process(
    answer: Mapping[str, Any], options: argparse.Namespace, *, succeeded: bool, text: str
) -> int:
    """Print the answer, as text or as one JSON object last, and give the exit status.

    The object has all that programs are promised; ``options`` are those of ``command_line``.
    """
    if options.json:
        seconds = time.monotonic() - options.began
        _print_json(whole_answer(answer, environment=options.environment, seconds=seconds))
    else:
        print(in_words(text))
    return 0 if succeeded else 1


def _print_json(answer: Mapping[str, Any]) -> None:
    print(json.dumps(answer, ensure_ascii=False))


def run_reported(of: Flow[..., Any], options: argparse.Namespace) -> int:
    """Run a flow that ends in a report, with the command line's options as its parameters."""
    given = {name: value for name, value in vars(options).items() if name not in _NO_PARAMETERS}
    state = cast("State[Any]", of(**given, return_state=True))
    report = report_of(state)
    return end_process(
        report.as_json(),
        options,
        succeeded=report.outcome.succeeded,
        text=report.as_markdown(),
    )


def run_command(main: Callable[[list[str]], int]) -> None:
    """Run a flow's command line; an error of ours becomes its text and the right status.

    With ``--json`` any error becomes the JSON object, too.
    """
    began = time.monotonic()
    try:
        with watched():
            status = main(sys.argv[1:])
    except Exception as error:
        ours = _as_ours(error)
        _answer_failure(ours or error, seconds=time.monotonic() - began)
        if ours is None:
            raise
        print(f"error: {ours}", file=sys.stderr)
        status = 2 if isinstance(ours, BadRequest) else 1
    raise SystemExit(status)


def _answer_failure(error: BaseException, *, seconds: float) -> None:
    """Print the JSON object of a command that raised, if one was asked for."""
    asked = argparse.ArgumentParser(add_help=False)
    asked.add_argument("--environment", default="")
    asked.add_argument("--json", action="store_true")
    options, _ = asked.parse_known_args(sys.argv[1:])
    if options.json:
        _print_json(answer_of_failure(error, environment=options.environment, seconds=seconds))


def _as_ours(error: Exception) -> DeliveryError | None:
    """The error as one of ours, if it is one, or for want of the Prefect server."""
    if isinstance(error, DeliveryError):
        return error
    if isinstance(error, ParameterTypeError):
        return BadRequest(str(error))
    return _prefect_is_away()


def _prefect_is_away() -> PrefectUnavailable | None:
    """Whether a failure is for want of the Prefect server: it is asked, its errors vary."""
    url = PREFECT_API_URL.value()
    if not url:
        return None
    try:
        httpx.get(f"{url.rstrip('/')}/health", verify=trusted(), timeout=5.0).raise_for_status()
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
    parser.set_defaults(began=time.monotonic())
    return parser


def _environment_name(text: str) -> str:
    if not ENVIRONMENT_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no environment's name: use lower-case letters, digits and dashes"
        )
    return text
