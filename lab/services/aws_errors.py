"""AWS's refusals on the wire: JSON for Systems Manager, XML for EC2 and STS."""

from __future__ import annotations

import uuid
from xml.sax.saxutils import escape

from starlette.responses import JSONResponse, Response

from lab.services.faults import FaultRequest

AMZ_JSON = "application/x-amz-json-1.1"


class SsmError(Exception):
    """A refusal of Systems Manager, by the name that boto3 shows."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def ssm_reply(body: dict[str, object], status: int = 200) -> Response:
    """An answer in Systems Manager's JSON dialect."""
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    return JSONResponse(body, status, headers, media_type=AMZ_JSON)


def ssm_refusal(error: SsmError) -> Response:
    """The answer that makes boto3 raise a ClientError of this code."""
    return ssm_reply({"__type": error.code, "message": error.message}, error.status)


def query_refusal(service: str, code: str, message: str, status: int) -> Response:
    """The same for EC2 and STS, which speak XML, each with its own frame."""
    error = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    request_id = str(uuid.uuid4())
    if service == "ec2":
        xml = (
            f"<Response><Errors><Error>{error}</Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    else:
        xml = (
            f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}', status, media_type="text/xml")


REFUSALS: dict[str, dict[str, tuple[str, str, int]]] = {
    "ssm": {
        "error": ("InternalServerError", "An internal error occurred.", 500),
        "throttle": ("ThrottlingException", "Rate exceeded", 400),
        "unauthorized": (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            400,
        ),
        "forbidden": (
            "AccessDeniedException",
            "User is not authorized to perform this operation "
            "because no identity-based policy allows it",
            400,
        ),
    },
    "ec2": {
        "error": ("InternalError", "An internal error has occurred", 500),
        "throttle": ("RequestLimitExceeded", "Request limit exceeded.", 503),
        "unauthorized": (
            "AuthFailure",
            "AWS was not able to validate the provided access credentials",
            401,
        ),
        "forbidden": (
            "UnauthorizedOperation",
            "You are not authorized to perform this operation.",
            403,
        ),
    },
    "sts": {
        "error": ("InternalFailure", "An internal error occurred.", 500),
        "throttle": ("Throttling", "Rate exceeded", 400),
        "unauthorized": (
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            403,
        ),
        "forbidden": ("AccessDenied", "User is not authorized to perform this operation", 403),
    },
}
"""Code, message and HTTP status of each service's refusals."""


def refusal(service: str, kind: str) -> Response:
    """How this AWS service words a refusal of this kind."""
    words = REFUSALS.get(service, REFUSALS["sts"])
    code, message, status = words[kind if kind in words else "error"]
    if service == "ssm":
        return ssm_refusal(SsmError(code, message, status))
    return query_refusal(service, code, message, status)


class AwsVoice:
    """Faults in AWS's words; the label's last word is the service's name."""

    def refuse(self, fault: FaultRequest, label: str) -> Response:
        """Refuse as the service that was asked would."""
        service = label.rsplit(" ", 1)[-1]
        return refusal(service, "throttle" if fault.kind == "limit" else fault.kind)
