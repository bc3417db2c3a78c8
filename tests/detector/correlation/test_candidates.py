"""Making candidates: what a match carries into which groups."""

from __future__ import annotations

from detector.correlation.keys import MAX_TEXT_CHARS
from detector.correlation.projection import Projection
from detector.correlation.routing import CandidateRouter
from detector.rules.loader import load_rules
from normalizers.event import EcsEvent, Value

RULE = "00000000-0000-4000-8000-00000000000a"


def _router(*keys: str) -> CandidateRouter:
    text = f"title: a\nid: {RULE}\nlogsource: {{}}\ndetection: {{s: {{event.action: a}}, condition: s}}\n"
    for number, key in enumerate(keys):
        text += (
            f"---\ntitle: c{number}\nname: c{number}\ncorrelation:\n  type: event_count\n  rules: [{RULE}]\n"
            f"  group-by: [{key}]\n  timespan: 5m\n  condition: {{gte: 2}}\n"
        )
    return CandidateRouter(load_rules(text))


def _event(fields: dict[str, Value]) -> EcsEvent:
    return EcsEvent("e", 5, 6, 7, "s", "d", {"event.action": "a", **fields})


def test_each_correlation_gets_its_groups_in_the_order_of_the_rules() -> None:
    """Correlations that read a key alike share its reading, wherever another stands between them."""
    router = _router("user.name", "user.name", "host.name", "user.name")
    made = router.candidates_for(RULE, _event({"user.name": ["A", "b"], "host.name": "H"}), 9)
    assert [(each.correlation_id, each.group) for each in made] == [
        ("c0", ("a",)), ("c0", ("b",)), ("c1", ("a",)), ("c1", ("b",)), ("c2", ("h",)), ("c3", ("a",)), ("c3", ("b",))
    ]  # fmt: skip
    assert not router.left_out


def test_what_lacks_a_key_is_counted_once_a_correlation() -> None:
    """Sharing the reading of a key shares no count."""
    router = _router("user.name", "user.name", "host.name")
    assert not router.candidates_for(RULE, _event({"user.name": None}), 9)
    assert router.left_out == {"unkeyed": 3}
    router.left_out.clear()
    assert len(router.candidates_for(RULE, _event({"user.name": [str(each) for each in range(40)]}), 9)) == 64
    assert router.left_out == {"excess_groups": 16, "unkeyed": 1}


def test_a_shape_met_before_keeps_the_fields_of_its_own_event() -> None:
    """Only which fields are kept is remembered: their values are read and cut each time."""
    projection = Projection(["custom.b", "custom.a", "user.name"])
    for text in ("x", "y" * (MAX_TEXT_CHARS + 1), "z"):
        fields: dict[str, Value] = {"custom.a": 1, "other": 2, "user.name": text, "host.ip": ["i"] * 70}
        kept = projection(fields)
        assert list(kept) == ["user.name", "host.ip", "custom.a"]
        assert kept == {"user.name": text[:MAX_TEXT_CHARS], "host.ip": ["i"] * 64, "custom.a": 1}
    assert projection({"custom.b": 2**70}) == {"custom.b": str(2**70)}


def test_shapes_without_end_are_not_remembered_without_end() -> None:
    """Neither many shapes nor a huge one stays in memory."""
    projection = Projection([])
    for number in range(2_000):
        assert projection({f"user.{number}": 1}) == {f"user.{number}": 1}
    huge: dict[str, Value] = {f"user.{'n' * 100}{number}": 1 for number in range(400)}
    assert projection(huge) == huge
    assert len(projection._of_shape) <= 256
    assert max(map(len, projection._of_shape)) == 1
