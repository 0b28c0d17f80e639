"""What clients send: objects, patches and options, as JSON or YAML."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml
from aiohttp import web

from kvtui.demo import protobuf
from kvtui.demo.directives import find_twice, keep_known
from kvtui.demo.metadata import bad_request
from kvtui.demo.storage import Kind, Object, StorageError
from kvtui.demo.validation import check_fields

_YAML = ("application/yaml", "application/x-yaml", "application/apply-patch+yaml")
_PATH_OPTIONS = ("propagationPolicy", "gracePeriodSeconds")


def media_type(request: web.BaseRequest) -> str:
    """The content type without its parameters."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def parse(data: bytes, content_type: str) -> Any:
    """The decoded body. Raises StorageError 400 when it is neither JSON nor, where allowed, YAML."""
    if content_type == protobuf.MEDIA_TYPE:
        return protobuf.parse(data)
    try:
        if content_type in _YAML:
            return yaml.safe_load(data)
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None


async def read_object(request: web.BaseRequest, kind: Kind, namespace: str, name: str = "") -> Object:
    """The object of a create or update, fit for its address. Raises StorageError 400, 415 or 422."""
    content_type = media_type(request)
    if content_type not in ("", "application/json", protobuf.MEDIA_TYPE, *_YAML):
        raise StorageError(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml",
        )
    data = await request.read()
    twice = find_twice(data) if content_type in ("", "application/json") else []
    return check_object(keep_known(request, kind, parse(data, content_type), twice), kind, namespace, name)


def check_object(obj: Any, kind: Kind, namespace: str, name: str = "") -> Object:
    """`obj` with its namespace filled in. Raises StorageError 400 when it belongs to another address, and 400 or 422
    when its fields are not of their types.
    """
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata") or {}, dict):
        raise bad_request("the object provided is unrecognized (must be of type " + kind.kind + ")")
    given = (obj.setdefault("apiVersion", kind.api_version), obj.setdefault("kind", kind.kind))
    if given != (kind.api_version, kind.kind):
        raise bad_request(
            f"the API version in the data ({given[0]}, Kind={given[1]}) does not match the expected API version "
            f"({kind.api_version}, Kind={kind.kind})"
        )
    checked = check_fields(kind, obj)
    metadata = checked["metadata"] = dict(checked.get("metadata") or {})
    if kind.namespaced and metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if name and metadata.setdefault("name", name) != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")
    return checked


async def read_delete_options(request: web.BaseRequest) -> Object:
    """DeleteOptions from the body and the query. Raises StorageError 400."""
    data = await request.read()
    options = parse(data, media_type(request)) if data.strip() else {}
    if not isinstance(options, dict):
        raise bad_request("the object provided is unrecognized (must be of type DeleteOptions)")
    for option in _PATH_OPTIONS:
        if option in request.query:
            options[option] = request.query[option]
    if "gracePeriodSeconds" in options and options["gracePeriodSeconds"] is not None:
        try:
            options["gracePeriodSeconds"] = int(options["gracePeriodSeconds"])
        except (TypeError, ValueError):
            raise bad_request(f"gracePeriodSeconds: invalid value {options['gracePeriodSeconds']!r}") from None
    if options.get("propagationPolicy") not in (None, "Orphan", "Background", "Foreground"):
        raise StorageError(
            422,
            "Invalid",
            f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: '
            f'"{options["propagationPolicy"]}": must be one of "Foreground", "Background", "Orphan" or nil',
        )
    return options


async def read_eviction_options(request: web.BaseRequest) -> Object:
    """The DeleteOptions within an Eviction. Raises StorageError 400."""
    data = await request.read()
    eviction = parse(data, media_type(request)) if data.strip() else {}
    options = eviction.get("deleteOptions") or {} if isinstance(eviction, dict) else None
    if not isinstance(options, dict):
        raise bad_request("the object provided is unrecognized (must be of type Eviction)")
    return options


def is_dry_run(request: web.BaseRequest, options: Object | None = None) -> bool:
    """Whether nothing shall be kept. Raises StorageError 422 for anything but ``All``."""
    asked = request.query.getall("dryRun", []) or (options or {}).get("dryRun") or []
    for value in asked if isinstance(asked, list) else [asked]:
        if value != "All":
            raise StorageError(
                422,
                "Invalid",
                f'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "{value}": '
                'supported values: "All"',
            )
    return bool(asked)
