"""Semantic hashes: the same under edits that change no meaning, others under those that do."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.matching.evaluator import compile_condition
from detector.matching.fields import flat_fields
from detector.rules.condition import And, Condition, Not, Or
from detector.rules.loader import load_rules
from detector.rules.meaning import meaning_of_condition
from tests.detector.matching.conditions import conditions, events
from tests.detector.matching.rule_texts import Detection, detections

Document = dict[str, Any]

COUNT: Document = {
    "title": "c",
    "name": "c",
    "correlation": {
        "type": "value_count",
        "rules": ["r"],
        "group-by": ["user.name", "host.name"],
        "timespan": "10m",
        "condition": {"gte": 3, "lt": 9, "field": "source.ip"},
    },
}
ORDERED: Document = {
    "title": "o",
    "name": "o",
    "correlation": {
        "type": "temporal_ordered",
        "condition": "r and not c",
        "aliases": {"who": {"r": "user.name", "c": "user.name"}},
        "group-by": ["who"],
        "timespan": "1h",
    },
}


def _shuffled(value: Any, draw: random.Random) -> Any:  # noqa: ANN401  plain data
    """Return data with the keys of each mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        draw.shuffle(keys)
        return {key: _shuffled(value[key], draw) for key in keys}
    return [_shuffled(each, draw) for each in value] if isinstance(value, list) else value


def _written(documents: list[Document], draw: random.Random) -> str:
    """Write documents with comments, and in another layout each time."""
    text = yaml.safe_dump_all(
        documents,
        sort_keys=False,
        allow_unicode=draw.random() < 0.5,
        indent=draw.choice([2, 4, 8]),
        width=10_000,  # narrower, PyYAML breaks some quoted texts in a way that it cannot read back
        default_flow_style=draw.choice([True, False, None]),
        default_style=None,
        explicit_start=draw.random() < 0.5,
    )
    return f"# {draw.random()}\n\n{text}\n# the end\n"


def _reworded(documents: list[Document], draw: random.Random) -> list[Document]:
    """Return documents with other words for people."""
    said = {
        "title": "Something else",
        "description": "What is seen.\nAnd what is missed.",
        "author": "Ada",
        "date": "2026-01-01",
        "level": "high",
        "status": "stable",
        "tags": ["attack.t1078"],
        "falsepositives": ["Backups"],
        "references": ["https://example.org"],
        "owner": {"team": "soc"},
        "code": "CV-1",
    }
    return [{**each, **{key: said[key] for key in said if draw.random() < 0.5}} for each in documents]


def _renamed(detection: Detection) -> Detection:
    """Return a detection whose selections are called otherwise."""
    names = {"s1": "s_one", "s2": "s_2", "_x": "_y"}
    text = yaml.safe_dump(detection["condition"])
    for before, after in names.items():
        text = text.replace(before, after)
    return {names[key]: value for key, value in detection.items() if key != "condition"} | {
        "condition": yaml.safe_load(text)
    }


def _rule(detection: Detection) -> Document:
    return {"title": "r", "name": "r", "logsource": {"product": "p", "category": "k"}, "detection": detection}


def _hashes(text: str) -> dict[str, str]:
    ruleset = load_rules(text)
    metas = [rule.meta for rule in ruleset.rules.values()] + [each.meta for each in ruleset.correlations.values()]
    return {meta.name: meta.semantic_hash for meta in metas}


@given(detection=detections(), seed=st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_words_order_and_layout_change_no_meaning(detection: Detection, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311  a test's own
    documents = [_rule(detection), COUNT, ORDERED]
    hashes = _hashes(_written(documents, draw))
    assert hashes == _hashes(_written(_reworded(_shuffled(documents, draw), draw), draw))
    assert hashes == _hashes(_written([_rule(_renamed(detection)), COUNT, ORDERED], draw))


def _at(*path: str) -> Callable[[list[Document], Any], None]:
    """Return an edit that puts a value at a place of the documents; `None` removes what is there."""

    def edit(documents: list[Document], value: Any) -> None:  # noqa: ANN401
        place: Any = next(each for each in documents if each["name"] == path[0])
        for key in path[1:-1]:
            place = place[key]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return edit


SIMPLE: Detection = {"s": {"f|contains": ["a", "b"], "g": 5}, "t": {"h|re": "x+"}, "condition": "s and not t"}
CHANGES: list[tuple[Callable[[list[Document], Any], None], Any, set[str]]] = [
    (_at("r", "detection", "s", "f|contains"), ["a", "c"], {"r", "c", "o"}),
    (_at("r", "detection", "s", "f|contains"), ["a"], {"r", "c", "o"}),
    (_at("r", "detection", "s"), {"f|contains|all": ["a", "b"], "g": 5}, {"r", "c", "o"}),
    (_at("r", "detection", "s"), {"f|startswith": ["a", "b"], "g": 5}, {"r", "c", "o"}),
    (_at("r", "detection", "s"), {"F|contains": ["a", "b"], "g": 5}, {"r", "c", "o"}),
    (_at("r", "detection", "s"), {"f|contains|cased": ["a", "b"], "g": 5}, {"r", "c", "o"}),
    (_at("r", "detection", "s"), [{"f|contains": ["a", "b"]}, {"g": 5}], {"r", "c", "o"}),
    (_at("r", "detection", "t", "h|re"), "x*", {"r", "c", "o"}),
    (_at("r", "detection", "condition"), "s or not t", {"r", "c", "o"}),
    (_at("r", "detection", "condition"), "s and t", {"r", "c", "o"}),
    (_at("r", "logsource", "product"), "q", {"r", "c", "o"}),
    (_at("r", "logsource", "category"), None, {"r", "c", "o"}),
    (_at("r", "logsource", "service"), "s", {"r", "c", "o"}),
    (_at("r", "suppress"), "1h", {"r", "c", "o"}),
    (_at("c", "correlation", "timespan"), "11m", {"c", "o"}),
    (_at("c", "correlation", "group-by"), ["user.name"], {"c", "o"}),
    (_at("c", "correlation", "type"), "value_sum", {"c", "o"}),
    (_at("c", "correlation", "condition", "gte"), 4, {"c", "o"}),
    (_at("c", "correlation", "condition", "lt"), None, {"c", "o"}),
    (_at("c", "correlation", "condition", "field"), "source.port", {"c", "o"}),
    (_at("c", "correlation", "null_group"), "keep", {"c", "o"}),
    (_at("c", "correlation", "refire"), "every", {"c", "o"}),
    (_at("c", "correlation", "max_episode"), "2h", {"c", "o"}),
    (_at("o", "correlation", "condition"), "c and not r", {"o"}),
    (_at("o", "correlation", "type"), "temporal", {"o"}),
    (_at("o", "correlation", "order"), "certain", {"o"}),
    (_at("o", "correlation", "aliases", "who", "c"), "host.name", {"o"}),
    (_at("o", "correlation", "max_clock_uncertainty"), "5s", {"o"}),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "value", "changed"), CHANGES)
def test_what_changes_a_meaning_changes_it_for_all_that_rest_on_it(
    edit: Callable[[list[Document], Any], None], value: object, changed: set[str]
) -> None:
    documents = copy.deepcopy([_rule(SIMPLE), COUNT, ORDERED])
    before = _hashes(yaml.safe_dump_all(documents))
    edit(documents, value)
    after = _hashes(yaml.safe_dump_all(documents))
    assert {name for name in before if before[name] != after[name]} == changed


SAME: list[tuple[Callable[[list[Document], Any], None], Any]] = [
    (_at("c", "correlation", "timespan"), "600s"),
    (_at("c", "correlation", "condition"), {"lt": 9.0, "GTE": 3, "field": ["source.ip"]}),
    (_at("c", "correlation", "refire"), "episode"),
    (_at("c", "correlation", "max_episode"), "24h"),
    (_at("o", "correlation", "rules"), ["r", "c"]),
    (_at("r", "detection", "condition"), "(not t) and (s)"),
    (_at("r", "detection", "s"), {"g": [5], "f|contains": ["b", "a", "a"]}),
    (_at("r", "detection", "condition"), "not 1 of t* and all of s*"),
]


@pytest.mark.parametrize(("edit", "value"), SAME)
def test_another_spelling_of_the_same_changes_nothing(
    edit: Callable[[list[Document], Any], None], value: object
) -> None:
    documents = copy.deepcopy([_rule(SIMPLE), COUNT, ORDERED])
    before = _hashes(yaml.safe_dump_all(documents))
    edit(documents, value)
    assert _hashes(yaml.safe_dump_all(documents)) == before


def _rewritten(condition: Condition, draw: random.Random) -> Condition:
    """Return a condition with its parts in another order, some twice and some nested deeper."""
    match condition:
        case And(parts) | Or(parts):
            kind = type(condition)
            several = [_rewritten(part, draw) for part in (*parts, *parts[: draw.randrange(2)])]
            draw.shuffle(several)
            cut = draw.randrange(len(several))
            return kind((*several[:cut], kind(tuple(several[cut:]))))
        case Not(part):
            return And((Not(_rewritten(part, draw)),))
        case _:
            return condition


@given(conditions, st.integers(0, 2**32), st.lists(events, max_size=6))
@settings(max_examples=200, deadline=None)
def test_a_condition_written_otherwise_has_one_digest_and_matches_alike(
    condition: Condition, seed: int, batch: list[dict[str, Any]]
) -> None:
    other = _rewritten(condition, random.Random(seed))  # noqa: S311  a test's own
    assert meaning_of_condition(other) == meaning_of_condition(condition)
    for event in map(flat_fields, batch):
        assert compile_condition(other)(event) == compile_condition(condition)(event)
