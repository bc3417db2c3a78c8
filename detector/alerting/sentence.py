"""The alert's one sentence, from the rule's template or, without one, from what is known."""

from __future__ import annotations

import re
from collections.abc import Mapping

from detector.rules.model import RuleMeta
from normalizers.event import Value

MAX_CHARS = 400
_PLACEHOLDER = re.compile(r"\{(?P<choices>[^{}]{1,500})\}")
_WHO = ("user.full_name", "user.name", "convergence.person.id", "physical.credential.id")
_WHERE = (
    "physical.portal.name",
    "physical.camera.name",
    "ot.controller.name",
    "host.name",
    "convergence.session.target",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def sentence_of(meta: RuleMeta, fields: Mapping[str, Value]) -> str:
    """Write the sentence; a verdict that could not be reached is said as such, never as "none".

    Args:
        meta: Its `sentence` key is the template: ``{field}`` or ``{field|other field|words}``.
        fields: Fields of the result.
    """
    template = meta.custom.get("sentence")
    text = _filled(str(template), fields) if template else _plain(meta, fields)
    stale = fields.get("convergence.context.stale")
    if stale:
        text = f"{text}; {_shown(stale)}"
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"


def _filled(template: str, fields: Mapping[str, Value]) -> str:
    def fill(found: re.Match[str]) -> str:
        choices = found["choices"].split("|")
        for path in choices:
            value = fields.get(path)
            if value not in (None, "", []):
                return _shown(value)
        # The last choice may be words instead of a field.
        last = choices[-1]
        return last if len(choices) > 1 and "." not in last else "(unknown)"

    return _PLACEHOLDER.sub(fill, template)


def _plain(meta: RuleMeta, fields: Mapping[str, Value]) -> str:
    who = next((_shown(fields[path]) for path in _WHO if fields.get(path)), None)
    where = next((_shown(fields[path]) for path in _WHERE if fields.get(path)), None)
    site = fields.get("convergence.location.site")
    parts = [meta.title, *([f"by {who}"] if who else []), *([f"at {where}"] if where else [])]
    return " ".join(parts) + (f", {site}" if site else "")


def _shown(value: Value) -> str:
    if isinstance(value, list):
        shown = ", ".join(_shown(each) for each in value[:5] if each is not None)
        return shown if len(value) <= 5 else f"{shown} and {len(value) - 5} more"
    text = str(value)[:200]
    return f"unknown account {text[1:]}" if text.startswith("?") else text
