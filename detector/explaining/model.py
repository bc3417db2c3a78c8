"""What an explanation says: plain data, for JSON as it is and for `detector.explaining.text`."""

from __future__ import annotations

from typing import Literal

import msgspec

Reason = Literal[
    "held",
    "missing",
    "null",
    "empty",
    "case",
    "whitespace",
    "slashes",
    "place",
    "more",
    "other",
    "not_found",
    "type",
    "list",
    "outside",
    "reference",
    "present",
    "unreadable",
]
"""Why a test does not hold: the field is `missing`, `null` or `empty`; its text differs only in `case`, `whitespace` or
`slashes`, has what is wanted at another `place` or with `more` around it, or is an`other`; a pattern is `not_found`;
the value is of another `type`, a `list` of which no member fits, or lies `outside` of a network or bound; the field it
is compared with says otherwise (`reference`); it is `present` and must not be; or it is `unreadable`."""


class Comparison(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One field against one value, or against a list of them.

    Attributes:
        field: Field that the rule reads, after its pipelines; empty for keywords, which read every value.
        modifiers: As Sigma writes them, such as ``endswith`` or ``contains|all``.
        wanted: The first values of the rule.
        wanted_count: How many there are.
        had: What the event has there, shortened; None when it has no such field.
        reason: Why not, in one word.
        why: The same as a clause about what it had; for a keyword that holds, where it is.
        closest: Of several wanted values the one that held, or came nearest.
        near_fields: Fields of the event whose name is close to that of a missing one.
    """

    field: str
    modifiers: str
    wanted: tuple[str, ...]
    wanted_count: int
    had: str | None
    reason: Reason
    why: str
    closest: str = ""
    near_fields: tuple[str, ...] = ()


class Part(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One part of a rule's condition.

    Attributes:
        kind: `all` or `any` of the parts, `not` the only part, or a `test`.
        held: Whether it holds for the event; of a `not`, whether the `not` holds.
        name: The author's name of the selection, or ``filter: <title>``.
        parts: The first parts.
        left_out: How many more there are.
        test: Set for a test.
    """

    kind: Literal["all", "any", "not", "test"]
    held: bool
    name: str = ""
    parts: tuple[Part, ...] = ()
    left_out: int = 0
    test: Comparison | None = None


class SourceCheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """The log source of the rule against that of the event.

    Attributes:
        held: Nothing that both name differs.
        rule: Parts that the rule names, such as ``{"product": "windows"}``.
        event: Parts that the event names.
        why: Which part differs; empty when none does.
    """

    held: bool
    rule: dict[str, str] = {}
    event: dict[str, str] = {}
    why: str = ""


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A rule and an event.

    Attributes:
        rule_id: Key of the rule.
        rule_title: Its title.
        path: File of the rule.
        line: Line of its document.
        matched: The engine's answer.
        logsource: Whether the rule looks at such events at all.
        condition: The rule's condition, with what held.
        blockers: The fewest things that would have to be otherwise, the first ones; empty for a match.
        distance: How far from a match: about the number of those things; 0 for a match.
        notes: What else decides whether an alert comes of it.
        event_index: Position of the event, where several were given.
    """

    rule_id: str
    rule_title: str
    path: str
    line: int
    matched: bool
    logsource: SourceCheck
    condition: Part
    blockers: tuple[str, ...] = ()
    distance: float = 0.0
    notes: tuple[str, ...] = ()
    event_index: int | None = None
