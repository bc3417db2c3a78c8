"""Settings of sinks; `type` tells which."""

from __future__ import annotations

from pathlib import Path

import msgspec

from detector.duration import Duration, parse_duration


class NdjsonSink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ndjson"):
    """One JSON document a line, one line a revision.

    Attributes:
        path: File, reopened when it was rotated away; ``-`` is standard output.
        name: For messages and metrics.
        sync: Sync each line to disk.
    """

    path: str = "-"
    name: str = "ndjson"
    sync: bool = False


class WebhookSink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="webhook"):
    """An HTTP POST a revision, signed when a secret is given.

    Attributes:
        url: https, or http on loopback.
        secret_file: File with the HMAC key.
        ca_file: Certificates to trust instead of the system's.
        timeout: For one attempt.
        attempts: Before the sink counts as unavailable and the delivery starts anew.
        name: For messages and metrics.
    """

    url: str
    secret_file: Path | None = None
    ca_file: Path | None = None
    timeout: Duration = parse_duration("10s")
    attempts: int = 5
    name: str = "webhook"


SinkSettings = NdjsonSink | WebhookSink
