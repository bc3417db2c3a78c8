"""One line about an event, for an alert's timeline."""

from __future__ import annotations

from collections.abc import Mapping

from normalizers.event import Value

MAX_CHARS = 300
"""A timeline shows one line a step."""

_WHO = ("user.full_name", "user.name", "convergence.person.id", "physical.credential.id")
_WHERE = (
    "physical.portal.name",
    "physical.portal.id",
    "physical.camera.name",
    "physical.camera.id",
    "ot.controller.name",
    "ot.controller.id",
    "convergence.session.target",
    "host.name",
    "destination.ip",
)
_WHENCE = ("convergence.asset_source.id", "source.ip")


def summarize(title: str, fields: Mapping[str, Value]) -> str:
    """Say what happened, who did it, where and from where, as far as known.

    Args:
        title: Title of the rule that matched; used when the event names no action.
        fields: Flat fields of the event.
    """
    action = _first(fields, ("event.action",))
    words = [action.replace("-", " ") if action else title]
    if fields.get("event.outcome") == "failure":
        words.append("(failed)")
    for preposition, paths in (("by", _WHO), ("at", _WHERE), ("from", _WHENCE)):
        value = _first(fields, paths)
        if value:
            words.append(f"{preposition} {value}")
    line = " ".join(" ".join(words).split())
    return line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 1] + "…"


def _first(fields: Mapping[str, Value], paths: tuple[str, ...]) -> str:
    for path in paths:
        value = fields.get(path)
        if isinstance(value, list):
            value = value[0] if value else None
        if value is not None and value != "":
            return str(value)[:MAX_CHARS]
    return ""
