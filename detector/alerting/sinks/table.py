"""Settings to sink."""

from __future__ import annotations

import time

from detector.alerting.sinks.delivery import Sink
from detector.alerting.sinks.ndjson import NdjsonFile
from detector.alerting.sinks.settings import NdjsonSink, SinkSettings
from detector.alerting.sinks.webhook import Webhook


def build_sink(settings: SinkSettings) -> Sink:
    """Make the sink that settings ask for.

    Raises:
        SettingsError: They cannot be met.
    """
    if isinstance(settings, NdjsonSink):
        return NdjsonFile(settings)
    return Webhook(settings, now_s=time.time)
