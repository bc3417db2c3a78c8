"""What can go wrong at the edge.

::

    ConnectorError
      SourceUnavailableError        retry: the outside is down
      DestinationUnavailableError   retry: what we write to is down
      DestinationRefusedError       stop: what we write to does not let us, or does not take it
      DocumentRejectedError         dead letter: this document is bad
      ConnectorSettingsError        refuse to start
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Root of everything a connector raises."""


class SourceUnavailableError(ConnectorError):
    """The outside is down; try again later."""


class DestinationUnavailableError(ConnectorError):
    """What we write to does not answer; try again later."""


class DestinationRefusedError(ConnectorError):
    """What we write to answers, and refuses; an operator must act."""


class DocumentRejectedError(ConnectorError):
    """One document cannot be taken: too large, not decodable, broken framing."""


class ConnectorSettingsError(ConnectorError):
    """A connector's settings are wrong; refuse to start."""
