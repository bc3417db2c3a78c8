"""Which topics an alert goes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detector.alerting.contract import facets_of, is_test
from detector.kafkasettings import FanOut
from detector.runtime.topics.names import TopicNames, topic_word


def alert_topics(names: TopicNames, fan_out: FanOut, document: Mapping[str, Any]) -> list[str]:
    """Return the topic of all alerts, then the fan-out topics that this one belongs to.

    Every revision of an alert goes wherever its facets lead, which only ever grow: a subscriber of a fan-out topic may
    see an alert for the first time at a later revision. Test alerts go to a topic of their own instead.
    """
    if is_test(document):
        return [names.alerts, names.test_alerts]
    facets = facets_of(document)
    found: dict[str, Sequence[str]] = {"severity": (facets.severity,), "domain": facets.domains, "site": facets.sites}
    asked: dict[str, Sequence[str]] = {"severity": fan_out.severity, "domain": fan_out.domain, "site": fan_out.site}
    topics = [names.alerts]
    for kind, values in found.items():
        words = {topic_word(each) for each in asked[kind]}
        topics += [names.fan_out(kind, value) for value in values if topic_word(value) in words]
    return list(dict.fromkeys(topics))
