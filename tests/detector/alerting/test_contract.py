"""What subscribers rely on stays: documents, headers, topics."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from detector.alert import Alert
from detector.alerting.contract import alert_headers, alert_value, facets_of
from detector.kafkasettings import FanOut
from detector.runtime.topics.fanning import alert_topics
from detector.runtime.topics.names import TopicNames
from tests.detector.alerting.contract import KEPT, faults, kept_alerts, schema, schema_of


def test_the_schema_is_one() -> None:
    """It is itself valid under draft 2020-12."""
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("version", sorted(path.name for path in KEPT.iterdir()))
def test_what_was_written_before_is_still_understood(version: str) -> None:
    """A subscriber that goes by today's schema reads the alerts that its topic still holds."""
    documents = kept_alerts(version)
    assert len(documents) >= 10
    assert [fault for document in documents for fault in faults(document)] == []


@pytest.mark.parametrize("version", sorted(path.name for path in KEPT.iterdir()))
def test_the_schema_promises_no_less_than_before(version: str) -> None:
    """What was required stays required, and no type or word is added to what subscribers were told to expect."""
    assert list(_taken_back(schema_of(version), schema(), "$")) == []


def _taken_back(before: dict[str, Any], after: dict[str, Any], path: str) -> list[str]:
    found = [
        f"{path}.{name} is no longer required" for name in _set(before, "required") - _set(after, "required") if name
    ]
    found += [
        f"{path}: {word} was {before[word]}, is {after.get(word)}"
        for word in ("enum", "type", "const", "pattern", "$ref")
        if word in before and not _set(after, word) <= _set(before, word)
    ]
    for name, below in before.get("properties", {}).items():
        if name not in after.get("properties", {}):
            found.append(f"{path}.{name} is no longer described")
        else:
            found += _taken_back(below, after["properties"][name], f"{path}.{name}")
    if "items" in before:
        found += _taken_back(before["items"], after.get("items", {}), f"{path}[]")
    return found


def _set(part: dict[str, Any], word: str) -> set[Any]:
    value = part.get(word)
    return set(value) if isinstance(value, list) else {value}


def test_taking_back_is_noticed() -> None:
    """The comparison above finds each kind of broken promise."""
    after = json.loads(json.dumps(schema()))
    after["required"].remove("message")
    del after["properties"]["threat"]
    after["properties"]["event"]["properties"]["severity"]["enum"].append(100)
    after["properties"]["rule"]["properties"]["uuid"]["type"] = ["string", "null"]
    after["properties"]["convergence"]["properties"]["evidence"]["items"]["required"].remove("time")
    assert sorted(line.split(" ")[0] for line in _taken_back(schema(), after, "$")) == [
        "$.convergence.evidence[].time",
        "$.event.severity:",
        "$.message",
        "$.rule.uuid:",
        "$.threat",
    ]


def _alert(revision: int = 2) -> Alert:
    document = kept_alerts("v1")[0]
    document["tags"] = ["isthmus", "domain:ot", "severity:critical"]
    document["convergence"]["parties"] |= {"domains": ["it", "ot"], "sites": ["Plant A", "plant-b"]}
    document["convergence"]["alert"]["level"] = "critical"
    return Alert(document["event"]["id"], revision, document)


def test_headers_say_what_subscribers_choose_by() -> None:
    """All eight are always there, so that a filter needs no case for a missing one."""
    alert = _alert()
    headers = {name: value.decode() for name, value in alert_headers(alert)}
    trace = headers.pop("traceparent")
    assert headers == {
        "content-type": "application/json",
        "schema-version": "1",
        "revision": "2",
        "severity": "critical",
        "rule-id": alert.document["rule"]["uuid"],
        "domain": "ot,it",
        "site": "Plant A,plant-b",
    }
    # W3C Trace Context 1: version, trace id, parent id, flags; no id is all zeros.
    assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01", trace)
    assert trace[3:35] in alert.id
    assert json.loads(alert_value(alert)) == alert.document


def test_an_alert_without_site_or_domain_has_its_headers_empty() -> None:
    """No site is known of many events."""
    alert = _alert()
    alert.document["tags"] = []
    alert.document["convergence"]["parties"] = {}
    headers = dict(alert_headers(alert))
    assert (headers["domain"], headers["site"]) == (b"", b"")
    assert facets_of(alert.document).sites == ()


@pytest.mark.parametrize(
    ("fan_out", "expected"),
    [
        (FanOut(), []),
        (FanOut(severity=["high"]), []),
        (FanOut(severity=["high", "critical"]), ["severity-critical"]),
        (FanOut(domain=["OT"], site=["plant a"]), ["domain-ot", "site-plant-a"]),
        (FanOut(domain=["physical"], site=["plant-c"]), []),
    ],
)
def test_an_alert_goes_to_the_topics_of_its_facets(fan_out: FanOut, expected: list[str]) -> None:
    """The topic of all alerts first; only topics that the settings ask for, which is those that exist."""
    names = TopicNames("isthmus")
    topics = alert_topics(names, fan_out, _alert().document)
    assert topics == ["isthmus.alerts.v1", *(f"isthmus.alerts.{word}.v1" for word in expected)]
    assert set(topics[1:]) <= set(names.fan_outs(fan_out))


def test_a_field_that_nobody_described_is_noticed() -> None:
    """Whoever adds a field to the document adds it to the schema."""
    document = _alert().document
    document["convergence"]["alert"]["colour"] = "red"
    document["event"]["severity"] = 50
    assert [fault.partition(":")[0] for fault in faults(document)] == ["$.convergence.alert", "$.event.severity"]
