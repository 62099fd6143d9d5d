"""GitHub's refusals: status, message, and the field errors that clients look at."""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import JSONResponse, Response

from lab.services.faults import FaultRequest

DOCS = "https://docs.github.com/rest"
RATE_LIMITS = f"{DOCS}/overview/rate-limits-for-the-rest-api"
Errors = list[dict[str, Any]]


class GitHubError(Exception):
    """A refusal in GitHub's frame."""

    def __init__(
        self, status: int, message: str, errors: Errors | None = None, *, docs: str = DOCS
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.docs = docs

    def response(self, headers: dict[str, str] | None = None) -> Response:
        """The answer."""
        body: dict[str, Any] = {"message": self.message}
        if self.errors is not None:
            body["errors"] = self.errors
        body["documentation_url"] = self.docs
        # GitHub's description knows no `status` in a validation error, though some carry one.
        if self.status != 422:
            body["status"] = str(self.status)
        return JSONResponse(body, self.status, headers)


def not_found() -> GitHubError:
    """What GitHub answers for what is not there, or not for this caller to see."""
    return GitHubError(404, "Not Found")


def invalid(resource: str, field: str, code: str, message: str = "") -> GitHubError:
    """A value that GitHub understands and does not accept."""
    error = {"resource": resource, "code": code, "field": field}
    return GitHubError(
        422, "Validation Failed", [{**error, "message": message} if message else error]
    )


def missing(field: str) -> GitHubError:
    """A required field that was not sent."""
    return GitHubError(422, f'Invalid request.\n\n"{field}" wasn\'t supplied.')


def wrong_type(field: str, value: object, kind: str) -> GitHubError:
    """A field of the wrong type."""
    return GitHubError(
        422, f"Invalid request.\n\nFor 'properties/{field}', {value!r} is not a {kind}."
    )


def over_primary_limit() -> GitHubError:
    """The hour's requests are used up."""
    return GitHubError(403, "API rate limit exceeded for user ID 1.", docs=RATE_LIMITS)


def over_secondary_limit(status: int = 429) -> GitHubError:
    """Too much at once, whatever is left of the hour."""
    return GitHubError(
        status,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        docs=RATE_LIMITS,
    )


def bad_credentials() -> GitHubError:
    """A token that GitHub does not know, or knows no more."""
    return GitHubError(401, "Bad credentials")


def requires_authentication() -> GitHubError:
    """No token where one is needed."""
    return GitHubError(401, "Requires authentication")


def forbidden() -> GitHubError:
    """A token without the permission."""
    return GitHubError(403, "Resource not accessible by personal access token")


class GitHubVoice:
    """Faults in GitHub's words."""

    def refuse(self, fault: FaultRequest, label: str) -> Response:
        """Refuse as GitHub would: `throttle` is the secondary limit, `limit` the primary."""
        if fault.kind == "throttle":
            wait = str(fault.retry_after_seconds)
            return over_secondary_limit().response({"Retry-After": wait})
        if fault.kind == "limit":
            reset = time.time() + fault.retry_after_seconds
            return over_primary_limit().response(
                {
                    "X-RateLimit-Limit": "5000",
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Used": "5000",
                    "X-RateLimit-Reset": str(int(reset) + 1),
                    "X-RateLimit-Resource": "core",
                }
            )
        if fault.kind == "unauthorized":
            return bad_credentials().response()
        if fault.kind == "forbidden":
            return forbidden().response()
        return GitHubError(fault.status, f"Server Error ({label.split('?')[0]})").response()
