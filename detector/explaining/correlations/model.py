"""What the explanation of a correlation says: plain data, for JSON as it is and for people as lines."""

from __future__ import annotations

from typing import Literal

import msgspec

from detector.explaining.model import Explanation

Role = Literal["rule", "trigger", "missing", "open", "close"]


class Seen(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One candidate: an event that matched a rule of the correlation, or what an inner correlation found.

    Attributes:
        rule: Name of the rule.
        events: Position of the event; of an inner correlation, of the events it rests on, the first ones.
        time: When, in UTC.
        value: Of a correlation over values, the event's.
    """

    rule: str
    events: tuple[int, ...]
    time: str
    value: str = ""


class WindowSeen(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One window, or the span of one trigger.

    Attributes:
        held: Whether the condition held.
        start: Its start in UTC.
        end: Its end.
        candidates: What it holds, the first ones.
        left_out: How many more.
        found: What there was, such as ``3 events``.
        missing: What is still missing, one sentence each; empty when the condition held.
        times: How often the condition held within one timespan of this window's end, for one that held.
    """

    held: bool
    start: str
    end: str
    candidates: tuple[Seen, ...] = ()
    left_out: int = 0
    found: str = ""
    missing: tuple[str, ...] = ()
    times: int = 0


class GroupSeen(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One group.

    Attributes:
        group: Group-by field to its value.
        fired: Whether the condition held at any time.
        candidates: How many candidates there were.
        windows: Where it held, else the nearest; the first ones.
        left_out: How many more windows there are.
    """

    group: dict[str, str | None]
    fired: bool
    candidates: int
    windows: tuple[WindowSeen, ...] = ()
    left_out: int = 0


class RuleSeen(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One rule that the correlation names.

    Attributes:
        rule_id: Key of the rule.
        name: Its name.
        title: Its title.
        role: What the correlation wants of it.
        matched: How many events matched; how often an inner correlation's condition held.
        events: The first of these events.
        without_key: Events that match, and have no value for the group; left out, therefore.
        lacking: The fields that these lack.
        closest: Of a rule that no event matched: the nearest one, explained.
        inner: Of a correlation that never fired: why.
    """

    rule_id: str
    name: str
    title: str
    role: Role
    matched: int
    events: tuple[int, ...] = ()
    without_key: tuple[int, ...] = ()
    lacking: tuple[str, ...] = ()
    closest: Explanation | None = None
    inner: CorrelationExplanation | None = None


class CorrelationExplanation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A correlation over many events.

    Attributes:
        rule_id: Key of the correlation.
        rule_title: Its title.
        path: File of the rule.
        line: Line of its document.
        fired: Whether its condition held in any group.
        asks: What it asks for, in words.
        blockers: What the nearest window of the nearest group misses; empty when it fired.
        rules: The rules it names.
        groups: The groups, those that fired first, then the nearest; the first ones.
        left_out: How many more groups there are.
        untimed: Matching events without a time, which no correlation can place; the first ones.
        notes: What else decides whether an alert comes of it.
    """

    rule_id: str
    rule_title: str
    path: str
    line: int
    fired: bool
    asks: str
    blockers: tuple[str, ...] = ()
    rules: tuple[RuleSeen, ...] = ()
    groups: tuple[GroupSeen, ...] = ()
    left_out: int = 0
    untimed: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
