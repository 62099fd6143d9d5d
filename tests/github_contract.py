"""GitHub's published OpenAPI description as a judge of both sides of a conversation.

`event_hooks()` goes into any `httpx.Client`: each request must be one that GitHub describes
(path, method, query, body), and each answer one that GitHub may give (status, body). So our
client is held to GitHub's word, and so is the lab's stand-in. The description is the npm
package `@octokit/openapi`, pinned in `tests/golden/openapi`, fetched once and kept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.npm import ROOT, install_packages

PINNED = ROOT / "tests" / "golden" / "openapi"
FILE = Path("node_modules/@octokit/openapi/generated/api.github.com.json")
ADDRESS = "urn:github"
ANYWHERE = frozenset({"304", "401", "403", "404", "429", "500", "502", "503"})
"""Statuses that any call may get, whether or not its own description lists them."""
SPANS_SLASHES = frozenset({"ref", "path", "basehead", "branch", "tag"})
Schema = dict[str, Any]


class ContractViolation(AssertionError):
    """A request that GitHub does not describe, or an answer that it would not give."""


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    template: str
    pattern: re.Pattern[str]
    described: Schema

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


class Description:
    """The description, ready to judge."""

    def __init__(self, document: Schema) -> None:
        self._document = document
        components = _as_json_schema({"components": {"schemas": document["components"]["schemas"]}})
        registry: Registry[Any] = Registry()
        self._registry = registry.with_resource(ADDRESS, DRAFT202012.create_resource(components))
        self._operations = sorted(
            _operations(document), key=lambda op: len(re.sub(r"\{.*?\}", "", op.template))
        )[::-1]

    def operation(self, request: httpx.Request) -> Operation:
        """What GitHub calls this request."""
        path = request.url.path
        for operation in self._operations:
            if operation.method == request.method and operation.pattern.fullmatch(path):
                return operation
        raise ContractViolation(f"GitHub describes no {request.method} {path}")

    def check_request(self, request: httpx.Request) -> None:
        """Raise unless GitHub describes this request."""
        operation = self.operation(request)
        known = {p["name"]: p for p in self._parameters(operation) if p["in"] == "query"}
        for name, text in request.url.params.multi_items():
            if name not in known:
                raise ContractViolation(f"{operation} has no query parameter {name!r}")
            schema = _as_json_schema(known[name]["schema"])
            self._judge(_typed(text, schema), schema, f"{operation} query {name!r}")
        self._check_request_body(operation, request.content)

    def check_response(self, response: httpx.Response) -> None:
        """Raise unless GitHub may answer so."""
        operation = self.operation(response.request)
        status = str(response.status_code)
        described = operation.described["responses"].get(status)
        where = f"{operation} -> {status}"
        if described is None:
            if status not in ANYWHERE:
                raise ContractViolation(f"{where} is not described")
            described = {"$ref": "#/components/responses/forbidden"}
        content = self._resolve(described).get("content", {})
        if status in ("204", "304"):
            if response.content:
                raise ContractViolation(f"{where} has a body")
            return
        if not response.headers.get("content-type", "").startswith("application/json"):
            if response.request.headers.get("accept", "").startswith("application/json"):
                raise ContractViolation(f"{where} is not JSON")
            return
        if schema := content.get("application/json", {}).get("schema"):
            self._judge(response.json(), _as_json_schema(schema), where)

    def _check_request_body(self, operation: Operation, content: bytes) -> None:
        wanted = operation.described.get("requestBody")
        if wanted is None:
            if content:
                raise ContractViolation(f"{operation} takes no body")
            return
        schema = self._resolve(wanted)["content"]["application/json"]["schema"]
        if not content and not self._resolve(wanted).get("required"):
            return
        self._judge(json.loads(content or b"null"), _as_json_schema(schema), f"{operation} body")

    def _judge(self, value: Any, schema: Schema, where: str) -> None:
        validator = Draft202012Validator(
            schema, registry=self._registry, format_checker=FormatChecker()
        )
        errors = sorted(validator.iter_errors(value), key=lambda e: e.json_path)
        if errors:
            shown = "; ".join(f"{e.json_path}: {e.message[:300]}" for e in errors[:3])
            raise ContractViolation(f"{where}: {shown}")
        if extra := list(self._undeclared(value, schema, "$")):
            raise ContractViolation(f"{where}: not in the description: {', '.join(extra[:5])}")

    def _undeclared(self, value: Any, schema: Schema, at: str) -> Iterator[str]:
        """Fields that GitHub does not describe: invented ones would mislead a client."""
        variants = list(self._variants(schema))
        if isinstance(value, list):
            items = [v["items"] for v in variants if "items" in v]
            for number, each in enumerate(value):
                if items:
                    yield from self._undeclared(each, {"anyOf": items}, f"{at}[{number}]")
        elif isinstance(value, dict):
            open_ended = any(
                v.get("additionalProperties") or "properties" not in v
                for v in variants
                if v.get("type") in ("object", ["object", "null"]) or "properties" in v
            )
            declared: dict[str, list[Schema]] = {}
            for variant in variants:
                for name, inner in variant.get("properties", {}).items():
                    declared.setdefault(name, []).append(inner)
            for name, inner_value in value.items():
                if name in declared:
                    inner = {"anyOf": declared[name]}
                    yield from self._undeclared(inner_value, inner, f"{at}.{name}")
                elif not open_ended:
                    yield f"{at}.{name}"

    def _variants(self, schema: Schema) -> Iterator[Schema]:
        """A schema and all that it is put together from."""
        if "$ref" in schema:
            resolved = self._registry.resolver().lookup(schema["$ref"]).contents
            yield from self._variants(resolved)
            return
        yield schema
        for word in ("anyOf", "oneOf", "allOf"):
            for part in schema.get(word, ()):
                yield from self._variants(part)

    def _parameters(self, operation: Operation) -> Iterator[Schema]:
        for parameter in operation.described.get("parameters", ()):
            yield self._resolve(parameter)

    def _resolve(self, node: Schema) -> Schema:
        while "$ref" in node:
            found: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node


def event_hooks() -> Mapping[str, list[Callable[..., Any]]]:
    """For `httpx.Client(event_hooks=...)`: judge every request and every answer."""
    judge = description()

    def request(sent: httpx.Request) -> None:
        if not sent.url.path.startswith("/_lab/"):
            judge.check_request(sent)

    def response(received: httpx.Response) -> None:
        if not received.request.url.path.startswith("/_lab/"):
            received.read()
            judge.check_response(received)

    return {"request": [request], "response": [response]}


class CheckedTransport(httpx.BaseTransport):
    """The same judge for a client that takes a transport and no hooks."""

    def __init__(self, inner: httpx.BaseTransport | None = None) -> None:
        self._inner = inner or httpx.HTTPTransport()
        self._judge = description()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, judged before and after."""
        request.read()
        self._judge.check_request(request)
        response = self._inner.handle_request(request)
        response.read()
        response.request = request
        self._judge.check_response(response)
        return response

    def close(self) -> None:
        """Close the transport beneath."""
        self._inner.close()


@cache
def description() -> Description:
    """GitHub's description, fetched if this machine does not have it yet."""
    return Description(json.loads(fetched().read_text()))


def fetched() -> Path:
    """The pinned description on this machine, checked by npm against the lock's digest."""
    lock = json.loads((PINNED / "package-lock.json").read_text())
    package = lock["packages"]["node_modules/@octokit/openapi"]
    digest = re.sub(r"\W", "", package["integrity"])[6:22]
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    kept = Path(base) / "tt-lab" / "openapi" / f"{package['version']}-{digest}.json"
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as directory:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PINNED / name, directory)
        install_packages(directory)
        (Path(directory) / FILE).rename(kept)
    return kept


def _operations(document: Schema) -> Iterator[Operation]:
    for template, methods in document["paths"].items():
        pattern = re.compile(_pattern(template))
        for method, described in methods.items():
            yield Operation(method.upper(), template, pattern, described)


def _pattern(template: str) -> str:
    """A path template as a regular expression; only a last parameter may hold slashes."""
    pieces = re.split(r"\{(.*?)\}", template)
    found = ""
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            found += re.escape(piece)
        else:
            ends = piece in SPANS_SLASHES and number == len(pieces) - 2
            # The root directory is the one value that may be empty.
            found += (".*" if piece == "path" else ".+") if ends else "[^/]+"
    return found


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0's dialect in JSON Schema's: `nullable` is what differs here.

    References lead into the registered description.
    """
    if isinstance(node, list):
        return [_as_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {k: _as_json_schema(v) for k, v in node.items() if k not in ("nullable", "example")}
    if isinstance(node.get("$ref"), str):
        kept["$ref"] = ADDRESS + node["$ref"]
    if node.get("nullable") is not True:
        return kept
    return {"anyOf": [kept, {"type": "null"}]}


def _typed(text: str, schema: Schema) -> Any:
    """A query parameter as the type that its schema wants."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text
