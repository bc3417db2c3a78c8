"""Sigma Filters: which rules they narrow, when they end, and that nobody is left in the dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from detector.engine import Engine
from detector.errors import RuleErrors, RuleFault
from detector.rules.filters import expired_filters
from detector.rules.loader import load_rules
from detector.rules.model import RuleSet

RULE = (
    "title: t\nname: r\nid: 6f3e2987-db24-4c78-a860-b4f4095a7095\nlogsource: {product: p, category: c}\n"
    "detection:\n  s: {f: a}\n  condition: s\n"
)
OTHER = RULE.replace("name: r", "name: q").replace("6f3e2987", "7f3e2987").replace("product: p", "product: z")
END_NS = 1_798_675_200 * 10**9  # 2026-12-31T00:00:00Z


def filter_of(**changes: Any) -> str:  # noqa: ANN401  values of YAML
    body = {"rules": ["r"], "s": {"u": "admin"}, "condition": "not s"}
    content = {"title": "no admins", "name": "x", "logsource": {"product": "p"}, "filter": body}
    body.update(changes.pop("filter", {}))
    return "---\n" + yaml.safe_dump({**content, **changes})


def load(text: str, faults: list[RuleFault] | None = None) -> RuleSet:
    return load_rules(text, faults=faults)


def passes(text: str, **event: Any) -> int:  # noqa: ANN401
    return len(Engine(load(text)).match({"f": "a", **event}))


@pytest.mark.parametrize("rules", [["r"], "r", "6F3E2987-DB24-4c78-a860-b4f4095a7095", "any", "Any", ["q", "r"]])
def test_a_filter_names_rules_by_name_by_id_or_all(rules: object) -> None:
    text = RULE + "---\n" + OTHER + filter_of(filter={"rules": rules}, logsource={"category": "c"})
    events = [{"u": "ada"}, {"u": "admin"}]
    narrowed = 2 if rules in ("any", "Any", ["q", "r"]) else 1
    assert [passes(text, **event) for event in events] == [2, 2 - narrowed]


def test_a_filter_restricts_when_it_does_not_negate() -> None:
    text = RULE + filter_of(filter={"condition": "s"})
    assert [passes(text, u="ada"), passes(text, u="admin"), passes(text)] == [0, 1, 0]


def test_every_filter_must_be_passed() -> None:
    second = filter_of(name="y", title="no bots", filter={"s": {"u": "bot"}})
    text = RULE + filter_of() + second
    assert [passes(text, u=user) for user in ("admin", "bot", "ada")] == [0, 0, 1]
    meta = load(text).rules["6f3e2987-db24-4c78-a860-b4f4095a7095"].meta
    assert sorted(each.id for each in meta.filters) == ["x", "y"]
    swapped = RULE + second + filter_of()
    assert load(swapped).bundle_hash == load(text).bundle_hash, "the order of files has no meaning"


@pytest.mark.parametrize("wide", [{}, {"product": "p"}, {"category": "c"}, {"product": "p", "category": "c"}])
def test_the_filters_log_source_contains_the_rules(wide: dict[str, str]) -> None:
    assert passes(RULE + filter_of(logsource=wide), u="admin") == 0


@pytest.mark.parametrize("other", [{"product": "z"}, {"product": "p", "service": "s"}, {"category": "d"}])
def test_a_rule_outside_the_filters_log_source_is_left_alone_and_noted(other: dict[str, str]) -> None:
    text = RULE + filter_of(logsource=other)
    assert passes(text, u="admin") == 1
    (note,) = load(text).notes
    assert note.what == "names rule 'r', whose log source is not within the filter's"
    assert note.line == 12


def test_a_filter_for_any_rule_that_finds_none_is_noted() -> None:
    text = RULE + filter_of(filter={"rules": "any"}, logsource={"product": "z"})
    assert [note.what for note in load(text).notes] == ["applies to no rule"]


@pytest.mark.parametrize(
    ("expires", "last", "first"),
    [
        ("2026-12-31", "2026-12-30T23:59:59.999999Z", "2026-12-31T00:00:00Z"),
        ("2026-12-31T18:00:00Z", "2026-12-31T17:59:59Z", "2026-12-31T18:00:00Z"),
        ("2026-12-31T18:00:00", "2026-12-31T17:59:59Z", "2026-12-31T18:00:00Z"),
        ("2026-12-31T18:00:00+02:00", "2026-12-31T15:59:59Z", "2026-12-31T16:00:00Z"),
        ("2026-12-31T18:00:00+02:00", 1_798_732_799, 1_798_732_800_000),
    ],
)
def test_a_filter_ends_by_the_events_own_time(expires: str, last: object, first: object) -> None:
    quoted, bare = filter_of(expires=expires), filter_of().rstrip() + f"\nexpires: {expires}\n"
    for document in (quoted, bare):
        text = RULE + document
        assert passes(text, u="admin", **{"@timestamp": last}) == 0
        assert passes(text, u="admin", **{"@timestamp": first}) == 1
        assert passes(text, u="ada", **{"@timestamp": last}) == 1


def test_an_event_without_a_time_is_filtered_still() -> None:
    assert passes(RULE + filter_of(expires="2026-12-31"), u="admin") == 0


def test_an_expired_filter_says_so_with_place_ticket_and_owner() -> None:
    text = RULE + filter_of(expires="2026-12-31", owner="Ada", ticket="CHG-7")
    ruleset = load(text)
    assert expired_filters(ruleset, END_NS - 1) == []
    (found,) = expired_filters(ruleset, END_NS)
    assert str(found) == (
        "<text>:9: no admins: expired on 2026-12-31T00:00:00Z and no longer filters 1 rule; renew or delete it"
        " (ticket CHG-7, owner Ada)"
    )


def test_the_alert_names_the_filter_that_had_ended() -> None:
    engine = Engine(load(RULE + filter_of(expires="2026-12-31", ticket="CHG-7")))
    early, late = (
        {"f": "a", "u": user, "@timestamp": at} for user, at in (("ada", "2026-12-30"), ("admin", "2027-01-01"))
    )
    before, after = engine.evaluate([early, late])
    assert "expired_filters" not in before.document["convergence"]
    assert after.document["convergence"]["expired_filters"] == [
        {"id": "x", "title": "no admins", "ticket": "CHG-7", "owner": None, "expired": "2026-12-31T00:00:00Z"}
    ]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"filter": {"rules": ["rr"]}}, "names rule 'rr', which does not exist; did you mean 'r'"),
        ({"filter": {"rules": []}}, "has no `rules`"),
        ({"filter": {"condition": "not t"}}, "t"),
        ({"filter": {"s": {"u|contians": "a"}}}, "did you mean 'contains'"),
        ({"filter": {"expires": "2026-12-31"}}, "write it beside `filter`"),
        ({"expires": "next week"}, "`expires` is 'next week'; write a date or time such as 2026-12-31"),
        ({"expires": 20261231}, "`expires` is 20261231"),
        ({"expries": "2026-12-31"}, "did you mean 'expires'"),
        ({"logsource": "p"}, "`logsource` is not a mapping"),
        ({"filter": {"rules": ["c"]}}, "names rule 'c', which is a correlation; name the detections"),
    ],
)
def test_a_broken_filter_is_refused_and_its_rule_goes_on(changes: dict[str, Any], what: str) -> None:
    count = "correlation:\n  type: event_count\n  rules: [r]\n  timespan: 5m\n  condition: {gte: 3}\n  generate: true\n"
    text = f"{RULE}---\ntitle: c\nname: c\n{count}{filter_of(**changes)}"
    with pytest.raises(RuleErrors, match=what):
        load(text)
    faults: list[RuleFault] = []
    ruleset = load(text, faults)
    assert len(faults) == 1
    assert Engine(ruleset).match({"f": "a", "u": "admin"})


def test_a_filter_of_a_refused_rule_is_noted_and_narrows_the_others() -> None:
    broken = OTHER.replace("condition: s", "condition: t")
    faults: list[RuleFault] = []
    ruleset = load(RULE + "---\n" + broken + filter_of(filter={"rules": ["q", "r"]}), faults)
    assert len(faults) == 1
    assert [note.what for note in ruleset.notes] == ["names rule 'q', which was refused"]
    assert not Engine(ruleset).match({"f": "a", "u": "admin"})


def test_the_semantic_hash_follows_the_filter_and_not_its_words() -> None:
    def semantic(**changes: Any) -> str:  # noqa: ANN401
        (rule,) = load(RULE + filter_of(**changes)).rules.values()
        return rule.meta.semantic_hash

    assert semantic() == semantic(title="other", owner="Ada", ticket="CHG-8")
    changed = [semantic(expires="2026-12-31"), semantic(filter={"s": {"u": "x"}}), load(RULE).bundle_hash]
    assert len({semantic(), *changed}) == 4


def test_a_pipeline_maps_the_filter_as_it_maps_the_rule(tmp_path: Path) -> None:
    pipeline = tmp_path / "p.yml"
    pipeline.write_text(
        "name: p\npriority: 1\ntransformations:\n- id: m\n  type: field_name_mapping\n  mapping: {f: ecs.f, u: ecs.u}\n"
        "  rule_conditions:\n  - {type: logsource, category: c}\n"
        "- {id: l, type: change_logsource, category: other, rule_conditions: [{type: logsource, category: c}]}\n"
    )
    ruleset = load_rules(RULE + filter_of(logsource={"product": "p"}), pipelines=[pipeline])
    engine = Engine(ruleset)
    assert engine.match({"ecs.f": "a", "ecs.u": "ada"})
    assert not engine.match({"ecs.f": "a", "ecs.u": "admin"})
    ours = load_rules(RULE + filter_of(logsource={"category": "c"}, taxonomy="isthmus"), pipelines=[pipeline])
    assert not Engine(ours).match({"ecs.f": "a", "u": "admin"}), "a filter in the engine's own fields stays as it is"


def test_a_correlation_counts_only_what_passes_the_filter() -> None:
    count = "correlation:\n  type: event_count\n  rules: [r]\n  timespan: 5m\n  condition: {gte: 2}\n"
    text = f"{RULE}---\ntitle: c\nname: c\n{count}{filter_of()}"
    events = [{"f": "a", "u": user, "@timestamp": "2026-01-01T00:00:00Z"} for user in ("admin", "admin", "ada")]
    assert Engine(load(text)).evaluate(events) == []
    assert len(Engine(load(text)).evaluate([*events, events[-1]])) == 1
