"""What can go wrong in the detector.

::

    DetectorError
      SettingsError              refuse to start: setting wrong, with its path
      RuleErrors                 refuse: every fault of a rule folder, collected
        RuleFault                one of them (a fact, not an exception)
      UnknownRuleError           refuse: a question about a rule that is not loaded
      StateError                 stop, do not commit: stored state cannot be read
        StateLostError           hold the task: what it remembered is no longer there
      NoRoomError                retry: the disk, or our share of it, is full
      SinkUnavailableError       retry: the outside is down
      SinkRejectedError          dead letter: the sink refuses this alert
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class DetectorError(Exception):
    """Root of everything the detector raises."""


class SettingsError(DetectorError):
    """A setting is wrong; refuse to start."""


class RuleFault(msgspec.Struct, frozen=True):
    """One fault of a rule file.

    Attributes:
        path: File, or ``<text>`` for rules given as text.
        line: 1-based line, 0 when unknown.
        rule: Title of the rule, empty when it could not be read.
        what: What is wrong.
        instead: What to write instead; empty when there is no advice.
        rule_id: Id of the rule, else its name; empty when it has neither.
    """

    path: str
    line: int
    rule: str
    what: str
    instead: str = ""
    rule_id: str = ""

    def __str__(self) -> str:
        named = f" ({self.rule_id})" if self.rule_id else ""
        remedy = f"; {self.instead}" if self.instead else ""
        return f"{self.path}:{self.line}: {self.rule or '(unreadable)'}{named}: {self.what}{remedy}"


class RuleErrors(DetectorError):  # noqa: N818  one error that carries many faults, named in the public interface
    """Rules that cannot be understood; carries every fault of the load."""

    def __init__(self, faults: Sequence[RuleFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


class UnknownRuleError(DetectorError):
    """No rule, or more than one, is meant by a text; the message says what is near."""


class StateError(DetectorError):
    """Stored state cannot be read; stop, do not commit."""


class StateLostError(StateError):
    """What a task remembered is no longer there, and to begin anew would count again what was counted."""


class NoRoomError(DetectorError):
    """The disk, or the share of it that the settings grant, is full; try again when something has gone."""


class SinkUnavailableError(DetectorError):
    """The outside is down; try again later."""


class SinkRejectedError(DetectorError):
    """The sink refuses this alert for good."""
