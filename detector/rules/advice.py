"""What pySigma says of a detection, in the words of the rule's author, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from sigma.modifiers import modifier_mapping

from detector.rules.meta import suggest

_MODIFIERS = {kind.__name__: name for name, kind in modifier_mapping.items()}
_NUMBERS = frozenset({"lt", "lte", "gt", "gte", "minute", "hour", "day", "week", "month", "year"})

Found = re.Match[str]
Advice = Callable[[Found, str], str]
"""From a message and the names of the rule's selections to "what; instead"."""


def advised(message: str, selections: Iterable[str]) -> str:
    """Return "what; instead" of a message of pySigma, the message alone when there is nothing to advise.

    Args:
        message: Of a `SigmaError`.
        selections: Names of the rule's selections.
    """
    names = ", ".join(name for name in map(str, selections) if name != "condition") or "none"
    for pattern, advice in _ADVICE:
        found = pattern.search(message)
        if found is not None:
            return advice(found, names)
    return message


def _unknown_modifier(found: Found, _names: str) -> str:
    name = found["name"]
    known = "; use one of " + ", ".join(sorted(modifier_mapping))
    return f"unknown modifier {name!r}{suggest(name, modifier_mapping) or known}"


def _incompatible(found: Found, _names: str) -> str:
    name = _MODIFIERS.get(found["kind"], found["kind"])
    wanted = "a number" if name in _NUMBERS else "true or false" if name == "exists" else "a text"
    return f"modifier {name!r} cannot take {found['value']}; give it {wanted}"


def _always(what: str, instead: str) -> Advice:
    return lambda found, names: f"{what.format(*found.groups())}; {instead.format(names=names)}"


_ADVICE: tuple[tuple[re.Pattern[str], Advice], ...] = tuple(
    (re.compile(pattern, re.DOTALL), advice)
    for pattern, advice in (
        (r"[Uu]nknown modifier '?(?P<name>\w+)'?", _unknown_modifier),
        (r"Modifier (?P<kind>\w+) incompatible to value type of (?P<value>.{1,200})$", _incompatible),
        (
            r"Regular expression ('.*') is invalid: b?'?(.*?)'?$",
            _always("regular expression {0} is invalid: {1}", "write it for RE2, which has no look-around and no \\1"),
        ),
        (
            r"Detection ('.*') not defined",
            _always("its `condition` names selection {0}, which does not exist", "the rule has {names}"),
        ),
        (
            r"Selector ('.*') doesn't match",
            _always("its `condition` says {0}, which fits no selection", "the rule has {names}"),
        ),
        (
            r"^Expected .*, found ('?.*?'?)  ?\(at char (\d+)\)",
            _always(
                "its `condition` cannot be read at {0}, character {1}",
                "join selections by and, or, not, parentheses, `1 of name*` and `all of name*`",
            ),
        ),
        (r"Invalid CIDR expression: (.*)", _always("{0}", "write a range such as 10.0.0.0/8 or fe80::/10")),
        (r"^Detection is empty", _always("a selection is empty", "give it a field and a value, or delete it")),
        (
            r"^Unsupported type: <class 'dict'>",
            _always("a value is a mapping", "write the field of an object with dots, such as a.b: value"),
        ),
        (
            r"log ?source can't be empty|logsource must be a valid",
            _always("its `logsource` is empty or no mapping", "name a category, product or service, or leave it out"),
        ),
        (
            r"('.*') is not a valid Sigma rule status",
            _always("status {0} is unknown", "use stable, test, experimental, deprecated or unsupported"),
        ),
        (r"Sigma rule (\w+) must be a string", _always("`{0}` is no text", "put it in quotes")),
    )
)
