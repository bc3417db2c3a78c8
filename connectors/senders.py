"""Whose message it is: by setting, by sender's address, else the address itself."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.record import Document
from connectors.settings import Sender


class SenderTable:
    """Names the source and dataset of what an address sends."""

    def __init__(self, source: str, dataset: str, senders: Mapping[str, Sender]) -> None:
        self._default = Sender(source, dataset)
        self._senders = dict(senders)

    def of(self, address: str) -> Sender:
        """Return the sender at an address; an unknown one gets the source id ``syslog/<address>``."""
        known = self._senders.get(address)
        if known is not None:
            return known
        if self._default.source:
            return self._default
        return Sender(f"syslog/{address}", self._default.dataset)

    def document(self, address: str, value: bytes) -> Document:
        """Make a document of a message."""
        sender = self.of(address)
        return Document(source=sender.source, dataset=sender.dataset, value=value)
