"""What pySigma says of a detection, in the words of the rule's author, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable

from sigma.modifiers import modifier_mapping

from detector.rules.meta import suggest

RE2 = "write it for RE2: no look-around, back-references, possessive repeats, nor repeats beyond 1,000"

Found = re.Match[str]
Advice = Callable[[Found], str]
"""From a message to "what; instead"."""


def advised(message: str) -> str:
    """Return "what; instead" of a message of pySigma, the message alone when there is nothing to advise."""
    for pattern, advice in _ADVICE:
        found = pattern.search(message)
        if found is not None:
            return advice(found)
    return message


def _unknown_modifier(found: Found) -> str:
    name = found["name"]
    known = "; use one of " + ", ".join(sorted({*modifier_mapping, "utf16le"}))
    return f"unknown modifier {name!r}{suggest(name, modifier_mapping) or known}"


def _always(what: str, instead: str) -> Advice:
    return lambda found: f"{what.format(*found.groups())}; {instead}"


_ADVICE: tuple[tuple[re.Pattern[str], Advice], ...] = tuple(
    (re.compile(pattern, re.DOTALL), advice)
    for pattern, advice in (
        (r"[Uu]nknown modifier '?(?P<name>\w*)'?", _unknown_modifier),
        (
            r"Regular expression ('.*') is invalid: b?'?(.*?)'?$",
            _always("regular expression {0} is invalid: {1}", RE2),
        ),
        (
            r"Detection ('.*') not defined",
            _always("its `condition` names selection {0}, which does not exist", "name a selection of the rule"),
        ),
        (
            r"^Expected .*, found ('?.*?'?)  ?\(at char (\d+)\)",
            _always(
                "its `condition` cannot be read at {0}, character {1}",
                "join selections by and, or, not, parentheses, `1 of name*` and `all of name*`",
            ),
        ),
        (r"Invalid CIDR expression: (.* has host bits set)", _always("{0}", "write the network's own address, or /32")),
        (r"Invalid CIDR expression: (.*)", _always("{0}", "write a range such as 10.0.0.0/8 or fe80::/10")),
        (
            r"Field references must not contain wildcards",
            _always("a referenced field has wildcards", "name one field, or several in a list"),
        ),
        (
            r"Base64 encoding of strings with wildcards",
            _always("a text with wildcards has no Base64", r"leave them out, or escape them: '\*'"),
        ),
        (
            r"^(Wide|UTF-16\w*) modifier only allowed.*input string ('.*') isn't",
            _always("{1} cannot be encoded as {0}, which takes ASCII only", "write its Base64 as a text"),
        ),
        (
            r"windash modifier expands at most three",
            _always("`windash` takes at most three dashes in a value", "split it into several items"),
        ),
        (
            r"^(?:Expected \{|Unbalanced parentheses).*",
            _always(
                "its `condition` is not complete", "each and, or, not needs what it joins, each bracket its partner"
            ),
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
