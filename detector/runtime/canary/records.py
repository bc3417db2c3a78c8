"""The canaries of one round: a record of each domain, in a vendor's own layout; only its source tells it from others.

``{"ts":1792459964,"id.orig_h":"192.0.2.1","id.resp_h":"192.0.2.2","func":"WRITE_SINGLE_REGISTER","unit":1}``
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from connectors.record import Document
from detector.task import CANARY_SOURCE

CORRELATION = "correlation"
"""Told of the alert for which the canaries of all domains must meet."""

RULES = Path(__file__).with_name("rules.yml")

_S = 10**9
_LAYOUTS = {
    "it": (
        "linux.auth",
        "<86>1 {iso} isthmus-canary sshd 1 - - Accepted publickey for isthmus-canary from 192.0.2.1 port 50222 ssh2",
    ),
    "ot": (
        "zeek.modbus",
        '{{"ts":{unix},"id.orig_h":"192.0.2.1","id.resp_h":"192.0.2.2","func":"WRITE_SINGLE_REGISTER","unit":1}}',
    ),
    "physical": (
        "gallagher.event",
        '{{"id":"0","time":"{iso}","type":{{"id":"1","name":"Forced door"}},"source":{{"name":"isthmus-canary"}}}}',
    ),
    "remote_access": (
        "cisco.asa",
        "<166>{iso} isthmus-canary : %ASA-6-113039: Group <A> User <isthmus-canary> IP <192.0.2.1> AnyConnect started.",
    ),
}
"""Domain to dataset and layout. Addresses are those for documentation (RFC 5737)."""

DATASETS = tuple(dataset for dataset, _ in _LAYOUTS.values())

ALERTS = (*_LAYOUTS, CORRELATION)
"""What must come out of a round."""


def canaries(now_ns: int) -> list[Document]:
    """Return the canaries of a round, all stamped with one whole second: not every layout knows parts of one."""
    unix = now_ns // _S
    iso = datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        Document(source=f"{CANARY_SOURCE}{domain}", dataset=dataset, value=layout.format(iso=iso, unix=unix).encode())
        for domain, (dataset, layout) in _LAYOUTS.items()
    ]
