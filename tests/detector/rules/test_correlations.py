"""Correlations as documents: names and ids, who alerts, and what is refused with what instead."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from detector.errors import RuleErrors
from detector.rules.loader import load_rules
from detector.rules.model import RuleSet
from tests.detector.correlation.driving import Arrival, Bench

IDS = {
    "a": "0e95725d-7320-415d-80f7-004da920fc11",
    "b": "5638f7c0-ac70-491d-8465-2a65075e0d86",
    "c": "929a690e-bef0-4204-a928-ef5e620d6fcc",
    "inner": "c0ffee00-1234-4321-abcd-000000000001",
}
NAMES = {"a": "failed login", "b": "door-open", "c": "c.3", "inner": "inner one"}
REFERENCES: dict[str, Callable[[str], str]] = {
    "by name": lambda each: NAMES[each],
    "by id": lambda each: IDS[each],
    "by id, large": lambda each: IDS[each].upper(),
}
IDENTITIES = {"by name": [("name",), ("name", "id")], "by id": [("id",), ("name", "id")]}
IDENTITIES["by id, large"] = IDENTITIES["by id"]
WAYS = [(way, has) for way in REFERENCES for has in IDENTITIES[way]]

BODIES: dict[str, dict[str, Any]] = {
    "rules": {"type": "temporal_ordered", "rules": ["a", "b"], "timespan": "10s"},
    "aliases": {
        "type": "temporal",
        "rules": ["a", "b"],
        "timespan": "10s",
        "aliases": {"k": {"a": "src", "b": "dst"}},
    },
    "condition": {"type": "temporal", "condition": ["a", "b", "c"], "timespan": "10s"},
    "absence": {"type": "absence", "trigger": "b", "missing": ["c"], "timespan": "10s"},
    "during": {"type": "during", "trigger": "b", "open": ["a"], "close": ["c"], "max_age": "1m"},
}


def _document(each: str, has: tuple[str, ...], **more: object) -> dict[str, Any]:
    own = {"name": NAMES[each], "id": IDS[each]}
    return {"title": each, **{key: own[key] for key in has}, **more}


def _rules(has: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        _document(each, has, logsource={}, detection={"s": {"event.action": each}, "condition": "s"}) for each in "abc"
    ]


def _referring(value: object, refer: Callable[[str], str]) -> object:
    """Return a body with each rule referred to in one way."""
    if isinstance(value, dict):
        return {
            (refer(key) if key in IDS else key): each if key == "type" else _referring(each, refer)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_referring(each, refer) for each in value]
    return refer(value) if isinstance(value, str) and value in IDS else value


def _body(body: dict[str, Any], way: str) -> dict[str, Any]:
    found = _referring(body, REFERENCES[way])
    assert isinstance(found, dict)
    if isinstance(found.get("condition"), list):
        first, second, third = (f"'{each}'" for each in found["condition"])
        found["condition"] = f"{first} and {second} and not {third}"
    return {"group-by": ["k"], **found}


def _events() -> list[Arrival]:
    fields = {"k": "g", "src": "g", "dst": "g"}
    return [
        Arrival(str(index), index, index, {**fields, "event.action": action})
        for index, action in enumerate(["a", "b", "x"])
    ]


def _load(*documents: dict[str, Any]) -> RuleSet:
    return load_rules(yaml.safe_dump_all(documents))


@pytest.mark.parametrize("place", BODIES)
def test_a_rule_is_the_same_by_name_and_by_id_wherever_it_is_named(place: str) -> None:
    told, hashes = set[tuple[str, ...]](), set[str]()
    for way, has in WAYS:
        documents = [*_rules(has), {"title": "t", "name": "t", "correlation": _body(BODIES[place], way)}]
        bench = Bench(yaml.safe_dump_all(documents))
        drafts = bench.run(_events()).values()
        told |= {tuple(step.summary for step in draft.steps) for draft in drafts if draft.rule_id == "t"}
        assert len(drafts) == 1
        hashes.add(bench.ruleset.correlations["t"].meta.semantic_hash)
    assert len(told) == 1
    assert len(hashes) == 1


@pytest.mark.parametrize(("way", "has"), WAYS)
def test_a_correlation_is_named_as_rules_are(way: str, has: tuple[str, ...]) -> None:
    inner = _body({"type": "temporal_ordered", "rules": ["a", "b"], "timespan": "10s"}, way)
    outer = _body({"type": "event_count", "rules": ["inner"], "timespan": "1m", "condition": {"gte": 1}}, way)
    documents = [
        # The outer one stands first: the order of documents means nothing.
        {"title": "t", "name": "t", "correlation": outer},
        _document("inner", has, correlation=inner),
        *_rules(has),
    ]
    bench = Bench(yaml.safe_dump_all(documents))
    assert [draft.rule_id for draft in bench.run(_events()).values()] == ["t"]
    assert bench.ruleset.correlations["t"].level == 2


def test_one_rule_under_two_names_is_refused() -> None:
    body = {"type": "event_count", "rules": [NAMES["a"], IDS["a"]], "timespan": "1m", "condition": {"gte": 2}}
    with pytest.raises(RuleErrors, match=f"names rule '{IDS['a']}' twice"):
        _load(*_rules(("name", "id")), {"title": "t", "correlation": body})


def _loud(generate: dict[str, object], *, beside: bool = False) -> set[str]:
    """Load a rule under two correlations, and a correlation over one of them; return who alerts."""
    bodies: dict[str, dict[str, Any]] = {
        "one": {"rules": ["a"]},
        "two": {"rules": ["a", "b"]},
        "outer": {"rules": ["one"]},
    }
    documents = [
        {"title": each, "name": each, "logsource": {}, "detection": {"s": {"f": each}, "condition": "s"}}
        for each in "abc"
    ]
    for name, body in bodies.items():
        said: dict[str, Any] = {"generate": generate[name]} if name in generate else {}
        whole = {"type": "event_count", "timespan": "1m", "condition": {"gte": 2}, **body, **({} if beside else said)}
        documents.append({"title": name, "name": name, "correlation": whole, **(said if beside else {})})
    ruleset = _load(*documents)
    metas = [rule.meta for rule in ruleset.rules.values()] + [each.meta for each in ruleset.correlations.values()]
    return {meta.id for meta in metas if meta.generate}


@pytest.mark.parametrize(
    ("generate", "loud"),
    [
        ({}, {"c", "two", "outer"}),
        ({"one": False, "two": False, "outer": False}, {"c", "two", "outer"}),
        ({"one": True}, {"a", "c", "two", "outer"}),
        ({"two": True}, {"a", "b", "c", "two", "outer"}),
        ({"one": False, "two": True}, {"a", "b", "c", "two", "outer"}),
        # Each says it of the rules that it names itself, not of theirs.
        ({"outer": True}, {"c", "one", "two", "outer"}),
        ({"outer": True, "one": True}, {"a", "c", "one", "two", "outer"}),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_who_alerts_is_said_by_those_who_name(generate: dict[str, object], loud: set[str], *, beside: bool) -> None:
    assert _loud(generate, beside=beside) == loud


COUNT = "type: event_count\n  rules: [a]\n  timespan: 1m\n  condition: {gte: 2}"
TEMPORAL = "type: temporal\n  rules: [a, b]\n  timespan: 1m"
ORDERED = "type: temporal_ordered\n  rules: [a, b]\n  timespan: 1m"
SUM = "type: value_sum\n  rules: [a]\n  timespan: 1m\n  condition: {field: v, gte: 2}"
PERCENTILE = "type: value_percentile\n  rules: [a]\n  timespan: 1m\n  condition: {field: v, percentile: 95, gte: 2}"
ABSENCE = "type: absence\n  trigger: a\n  missing: [b]\n  timespan: 1m"
DURING = "type: during\n  trigger: a\n  open: [b]\n  max_age: 1h"

TRAVEL = "type: travel\n  rules: [a, b]\n  group-by: [k]\n  timespan: 1d"
FIRST = "type: first_seen\n  rules: [a]\n  field: v\n  learn: 14d\n  horizon: 90d"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (COUNT.replace("timespan", "timeframe"), "'timeframe' in `correlation`; did you mean 'timespan'"),
        (COUNT.replace("timespan", "window"), "did you mean 'timespan'"),
        (COUNT.replace("timespan", "time_span"), "did you mean 'timespan'"),
        (COUNT.replace("rules", "rule"), "did you mean 'rules'"),
        (COUNT + "\n  group_by: [k]", "did you mean 'group-by'"),
        (COUNT + "\n  groupby: [k]", "did you mean 'group-by'"),
        (COUNT + "\n  by: [k]", "did you mean 'group-by'"),
        (COUNT + "\n  refires: every", "did you mean 'refire'"),
        (COUNT + "\n  trigger: a", "`trigger` has no meaning for type event_count; it belongs to absence, during"),
        (COUNT + "\n  order: certain", "type temporal_ordered"),
        (COUNT + "\n  field: v", "type value_count"),
        (COUNT + "\n  percentile: 5", "`percentile` has no meaning for type event_count"),
        (COUNT.replace("{gte: 2}", "{gte: 2, field: v}"), "type value_count"),
        (COUNT + "\n  max_clock_uncertainty: 5s", "it belongs to temporal"),
        (TEMPORAL + "\n  order: certain", "asked for by type temporal_ordered"),
        (ABSENCE + "\n  rules: [a]", "under `trigger` and `missing`"),
        (ABSENCE + "\n  condition: {gte: 1}", "that must not come are `missing`"),
        (DURING + "\n  timespan: 1h", "at most `max_age`"),
        (DURING + "\n  condition: {gte: 1}", "is `count`"),
        (DURING + "\n  count: 1", "`count` is not a mapping"),
        (COUNT.replace("  condition: {gte: 2}", ""), "needs a `condition`"),
        (COUNT.replace("  timespan: 1m\n", ""), "needs a `timespan`"),
        (COUNT.replace("[a]", "[]"), "names no rules"),
        (COUNT.replace("[a]", "[a, a]"), "names rule 'a' twice; name it once, or use type temporal_ordered"),
        (TEMPORAL.replace("[a, b]", "[a, b, a]"), "names rule 'a' twice"),
        (ABSENCE.replace("[b]", "[b, b]"), "names rule 'b' twice"),
        (COUNT.replace("[a]", "[failed_logins]"), "did you mean 'failed_login'"),
        (COUNT.replace("{gte: 2}", "{gte: many}"), "gte: 'many' is not a number"),
        (COUNT.replace("{gte: 2}", "{gte: true}"), "gte: True is not a number"),
        (COUNT.replace("{gte: 2}", "{gte: .inf}"), "gte: inf is not a number"),
        (COUNT.replace("{gte: 2}", "{min: 2}"), "unknown operator 'min'; use one of gt"),
        (COUNT.replace("{gte: 2}", "{}"), "no comparison"),
        (COUNT.replace("{gte: 2}", "[2]"), "is not a mapping"),
        (COUNT.replace("1m", "-1m"), "no length of time"),
        (COUNT.replace("1m", "101y"), "no length of time"),
        (COUNT.replace("1m", "5"), "not a duration"),
        (COUNT.replace("1m", "1 fortnight"), "not a duration"),
        (COUNT + "\n  null_group: kept", "did you mean 'keep'"),
        (COUNT + "\n  generate: sometimes", "neither true nor false"),
        (COUNT + "\n  aliases: {x: {b: f}}", "reads a rule that the correlation does not name"),
        (COUNT + "\n  aliases: {x: {z: f}}", "names rule 'z', which does not exist"),
        (COUNT + "\n  aliases: [x]", "`aliases` maps a name"),
        (SUM.replace("field: v, ", ""), "value_sum without a field"),
        (SUM.replace("field: v", "field: [v, w]"), "takes one field"),
        (PERCENTILE.replace("percentile: 95, ", ""), "without a percentile"),
        (PERCENTILE.replace("95", "101"), "percentile: 101 is not a number from 0 to 100"),
        (PERCENTILE.replace("95", "-1"), "not a number from 0 to 100"),
        (PERCENTILE.replace("95", "high"), "not a number from 0 to 100"),
        (TEMPORAL + "\n  condition: {gte: 3}", "gte 3 of 2 rules, which can never be"),
        (TEMPORAL + "\n  condition: {gt: 2}", "gt 2 of 2 rules"),
        (ORDERED + "\n  condition: {gte: 1}", "temporal_ordered needs all of its rules"),
        (ABSENCE.replace("  missing: [b]\n", ""), "absence needs `trigger` and `missing`"),
        (ABSENCE.replace("trigger: a", "trigger: [a, b]"), "`trigger` names exactly one rule"),
        (ABSENCE + "\n  until: due", "`until` needs `max`"),
        (ABSENCE + "\n  when: afterwards", "did you mean 'after'"),
        (TRAVEL.replace("\n  timespan: 1d", ""), "needs a `timespan`"),
        (TRAVEL.replace("\n  group-by: [k]", ""), "travel without `group-by`; say whose moves"),
        (TRAVEL + "\n  speed: fast", "speed: 'fast' is not a number of km/h"),
        (TRAVEL + "\n  speed: 0", "from 1 to 10000"),
        (TRAVEL + "\n  speed: true", "from 1 to 10000"),
        (TRAVEL + "\n  place: [a, b]", "`place` names one field"),
        (TRAVEL + "\n  field: v", "where an event happened is `place`"),
        (TRAVEL + "\n  condition: {gte: 2}", "each move that is too fast alerts"),
        (TRAVEL + "\n  max_clock_uncertainty: 5s", "counts in full"),
        (TRAVEL.replace("rules", "rule"), "did you mean 'rules'"),
        (FIRST.replace("\n  field: v", ""), "first_seen without a field; add `field`"),
        (FIRST.replace("\n  learn: 14d", ""), "needs `learn`, for how long it only learns, such as 14d"),
        (FIRST.replace("\n  horizon: 90d", ""), "and `horizon`, after which a value is forgotten"),
        (FIRST.replace("90d", "13d"), "`horizon` is shorter than `learn`"),
        (FIRST.replace("14d", "0s").replace("90d", "0s"), "`horizon` is shorter"),
        (FIRST.replace("90d", "ever"), "not a duration"),
        (FIRST + "\n  memory: lst", "did you mean 'last'"),
        (FIRST + "\n  timespan: 90d", "remembered for `horizon`"),
        (FIRST + "\n  condition: {gte: 1}", "each value that is new alerts"),
        (FIRST.replace("horizon", "horizn"), "did you mean 'horizon'"),
        (DURING.replace("\n  max_age: 1h", ""), "during needs `trigger`, `open` and `max_age`"),
    ],
)
def test_a_fault_says_what_and_what_instead(body: str, what: str) -> None:
    with pytest.raises(RuleErrors, match=what):
        load_rules(f"{PLAIN}---\ntitle: t\nname: t\ncorrelation:\n  {body}\n")


PLAIN = "---\n".join(
    f"title: {name}\nname: {name}\nlogsource: {{}}\ndetection: {{s: {{f: {name}}}, condition: s}}\n"
    for name in ("a", "b", "failed_login")
)


def _chain(*links: tuple[str, str]) -> str:
    return PLAIN + "".join(
        f"---\ntitle: {name}\nname: {name}\ncorrelation:\n  {COUNT.replace('[a]', f'[{inner}]')}\n"
        for name, inner in links
    )


def test_circles_are_refused_and_said_of_each() -> None:
    with pytest.raises(RuleErrors) as caught:
        load_rules(_chain(("x", "y"), ("y", "z"), ("z", "x")))
    assert [fault.rule for fault in caught.value.faults] == ["x", "y", "z"]
    assert all("names itself" in fault.what for fault in caught.value.faults)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_three_levels_load_in_any_order(order: tuple[int, ...]) -> None:
    links = [("one", "a"), ("two", "one"), ("three", "two")]
    ruleset = load_rules(_chain(*(links[index] for index in order)))
    assert {key: each.level for key, each in ruleset.correlations.items()} == {"one": 1, "two": 2, "three": 3}


def test_a_fourth_level_is_refused() -> None:
    with pytest.raises(RuleErrors, match="stands on level 4"):
        load_rules(_chain(("one", "a"), ("two", "one"), ("three", "two"), ("four", "three")))
