"""Rows of Zeek logs: JSON as Zeek writes it, or JSON objects of texts made of its TSV."""

from __future__ import annotations

from typing import Any

from connectors.record import RawRecord
from normalizers.decoding import decode_object, text
from normalizers.errors import BadTimestampError, MissingFieldError
from normalizers.event import Value
from normalizers.timestamps import from_epoch, parse_iso8601

UNSET = frozenset({"-", "(empty)", ""})


class ZeekRow:
    """One row; unset fields are absent."""

    def __init__(self, record: RawRecord) -> None:
        self._row: dict[str, Any] = decode_object(record.value)

    def text(self, name: str) -> str | None:
        """Return a field as text."""
        value = self._row.get(name)
        if value is None:
            return None
        if isinstance(value, list):
            value = ",".join(str(each) for each in value[:64])
        if isinstance(value, bool):
            return "T" if value else "F"
        found = text(value)
        return None if found is None or found in UNSET else found

    def number(self, name: str) -> int | None:
        """Return a field as a whole number, None when it is none."""
        value = self._row.get(name)
        if value.__class__ is int:
            return int(value)
        found = None if value is None else self.text(name)
        if found is None:
            return None
        try:
            return int(float(found))
        except (ValueError, OverflowError):
            return None

    def flag(self, name: str) -> bool | None:
        """Return a field as a boolean."""
        return {"T": True, "F": False}.get(self.text(name) or "")

    def time_ns(self) -> int:
        """Return the time of the row."""
        value = self._row.get("ts")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise BadTimestampError(value, "seconds since 1970 in ts")
        if isinstance(value, str) and "T" in value:
            return parse_iso8601(value)  # Zeek's JSON with ISO times
        return from_epoch(value, "s")

    def ends(self) -> dict[str, Value]:
        """Return both ends of the connection."""
        source, destination = self.text("id.orig_h"), self.text("id.resp_h")
        if source is None or destination is None:
            raise MissingFieldError("id.orig_h" if source is None else "id.resp_h")
        return {
            "source.ip": source,
            "source.port": self.number("id.orig_p"),
            "destination.ip": destination,
            "destination.port": self.number("id.resp_p"),
            "zeek.session_id": self.text("uid"),
        }
