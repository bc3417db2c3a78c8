"""JSON records to typed structs; what does not fit is refused with its place."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from normalizers.errors import MalformedRecordError
from normalizers.event import Scalar, Value

T = TypeVar("T")
MAX_LIST = 256
MAX_FIELDS = 2_000
MAX_DEPTH = 12
MAX_TEXT = 100_000
_SCALARS = frozenset({int, float, bool, type(None)})
_TEXT = {str}


_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
"""One a layout: the kinds are the normalizers' own, so there are few."""


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401  any type that msgspec decodes
    if kind not in _decoders:
        _decoders[kind] = msgspec.json.Decoder(kind, strict=False)
    return _decoders[kind]


def decode_json(value: bytes, kind: type[T]) -> T:
    """Decode one JSON value.

    Raises:
        MalformedRecordError: It is no JSON, too deep, or of another shape; names the field.
    """
    try:
        decoded: T = _decoder(kind).decode(value.lstrip(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise MalformedRecordError(str(error)[:300]) from error
    return decoded


def decode_object(value: bytes) -> dict[str, Any]:
    """Decode a JSON object of any content.

    Raises:
        MalformedRecordError: It is not one.
    """
    return decode_json(value, dict[str, Any])


def flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Value]:
    """Flatten nested objects to dotted names; lists of objects become lists of their JSON texts.

    Raises:
        MalformedRecordError: Deeper than `MAX_DEPTH` or wider than `MAX_FIELDS`.
    """
    if not prefix and _is_flat(content):
        return dict(content)
    flat: dict[str, Value] = {}
    _flatten(content, prefix, 0, flat)
    return flat


def _is_flat(content: dict[str, Any]) -> bool:
    """Return whether nothing is to be done, as for most events that come flat."""
    values = content.values()
    if set(map(type, values)) == _TEXT:
        return max(map(len, values)) <= MAX_TEXT and len(content) <= MAX_FIELDS
    for value in values:
        kind = value.__class__
        if (kind is str and len(value) > MAX_TEXT) or (kind is not str and kind not in _SCALARS):
            return False
    return len(content) <= MAX_FIELDS


def _flatten(content: dict[str, Any], prefix: str, depth: int, flat: dict[str, Value]) -> None:
    if depth > MAX_DEPTH:
        raise MalformedRecordError(f"objects lie deeper than {MAX_DEPTH}")
    for name, value in content.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            _flatten(value, f"{path}.", depth + 1, flat)
        elif isinstance(value, list):
            flat[path] = [_scalar(each) for each in value[:MAX_LIST]]
        else:
            flat[path] = _scalar(value)
        if len(flat) > MAX_FIELDS:
            raise MalformedRecordError(f"has more than {MAX_FIELDS} fields")


def _scalar(value: Any) -> Scalar:  # noqa: ANN401  whatever JSON holds
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if value is None or isinstance(value, bool | int | float):
        return value
    return msgspec.json.encode(value).decode()[:MAX_TEXT]


def text(value: object) -> str | None:
    """Return a scalar as text, None when it is empty or no scalar."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    return str(value) if isinstance(value, int | float) else None
