"""From what was judged to what is told: each part of a condition, and of each test why it does not hold."""

from __future__ import annotations

import difflib

import msgspec

from detector.explaining.judging import Judged
from detector.explaining.model import Comparison, Part
from detector.explaining.nearby import near_names
from detector.explaining.outline import Leaf
from detector.explaining.reasons import Cause, cause_of
from detector.explaining.wording import shown, wanted_of
from detector.matching.evaluator import compile_condition
from detector.matching.fields import Fields
from detector.rules.condition import ExistsTest, FieldRefTest, FieldTest, KeywordTest, NullTest, TextTest

MAX_PARTS = 40
"""Parts of one `any` or `all` that are told: those that decide come first."""

MAX_WANTED = 5
"""Values of one test that are told."""

MAX_COMPARED = 500
"""Values of one list that are compared for nearness; the largest list of public rules has 4,432."""

_NEAR = 2
"""Rank above which a value is worth naming (`detector.explaining.reasons`)."""

_ALIKE = 0.75


def tell(judged: Judged, fields: Fields) -> Part:
    """Tell one part of a condition, with all that is below it."""
    outline = judged.outline
    if outline.leaf is not None:
        return Part(kind="test", held=judged.held, name=outline.name, test=tell_test(judged, fields))
    told = _deciding(judged)
    return Part(
        kind=outline.kind,
        held=judged.held,
        name=outline.name,
        parts=tuple(tell(part, fields) for part in told),
        left_out=len(judged.parts) - len(told),
    )


def tell_test(judged: Judged, fields: Fields) -> Comparison:
    """Tell one test.

    Args:
        judged: A test that was judged.
        fields: The event's flat fields.
    """
    leaf = judged.outline.leaf
    assert leaf is not None  # noqa: S101  the outline's kind is `test`
    several = "|all" if leaf.linking == "all" and len(leaf.tests) > 1 else ""
    told = Comparison(
        field=leaf.field,
        modifiers=f"{leaf.modifiers}{several}".removeprefix("|"),
        wanted=tuple(map(_wanted, leaf.tests[:MAX_WANTED])),
        wanted_count=len(leaf.tests),
        had=shown(fields[leaf.field]) if leaf.field in fields else None,
        reason="held",
        why="",
    )
    try:
        return _why(told, leaf, judged, fields)
    except Exception as error:  # noqa: BLE001  a value that cannot be read: the test does not hold because of it
        return msgspec.structs.replace(told, reason="unreadable", why=f"cannot be read: {error}")


def _deciding(judged: Judged) -> list[Judged]:
    """Return the parts to tell, in the author's order: those that decide, then the nearest."""
    if len(judged.parts) <= MAX_PARTS:
        return list(judged.parts)
    nearest = sorted(judged.parts, key=lambda part: (part.held != judged.held, part.repair))[:MAX_PARTS]
    chosen = {id(part) for part in nearest}
    return [part for part in judged.parts if id(part) in chosen]


def _why(told: Comparison, leaf: Leaf, judged: Judged, fields: Fields) -> Comparison:
    replace = msgspec.structs.replace
    if judged.held:
        first = leaf.tests[judged.held_tests.index(True)]
        is_choice = len(leaf.tests) > 1 and leaf.linking == "any"
        return replace(told, closest=_wanted(first) if is_choice else "", why=_place(first, fields))
    failing = [test for test, held in zip(leaf.tests, judged.held_tests, strict=True) if not held]
    if not leaf.field:
        lacking = _lacking(leaf, failing) if leaf.linking == "all" and len(leaf.tests) > 1 else ""
        return replace(told, reason="not_found", why=f"{lacking + ' ' if lacking else ''}in none of the event's values")
    if leaf.field not in fields:
        return _missing(told, leaf, fields)
    value = fields[leaf.field]
    if value is None or value == []:
        return replace(told, reason="null", why="no value" if value is None else "an empty list")
    return _differing(told, leaf, failing, fields)


def _differing(told: Comparison, leaf: Leaf, failing: list[FieldTest | KeywordTest], fields: Fields) -> Comparison:
    leaf.predicates[0](fields)  # raises again where the value cannot be read
    nearest, cause = _closest(failing, fields[leaf.field], fields)
    is_near, why, closest = cause.rank > _NEAR, cause.why, ""
    if len(leaf.tests) > 1 and leaf.linking == "any":
        closest = _wanted(nearest) if is_near else ""
        why = f"none of the {len(leaf.tests)}{f'; nearest {closest}: {why}' if closest else ''}"
    elif len(leaf.tests) > 1:
        why = f"{_lacking(leaf, failing)}{f'; {_wanted(nearest)}: {why}' if is_near else ''}"
    return msgspec.structs.replace(told, reason=cause.reason, why=why, closest=closest)


def _missing(told: Comparison, leaf: Leaf, fields: Fields) -> Comparison:
    near = near_names(leaf.field, fields)
    why = "the event has no such field"
    if near:
        would = [name for name in near if _would_hold(leaf, fields[name])]
        why += f"; it has {', '.join(f'`{name}`' for name in would or near)}"
        why += ", with a value that would do" if would else ""
    return msgspec.structs.replace(told, reason="missing", why=why, near_fields=near)


def _would_hold(leaf: Leaf, value: object) -> bool:
    tests = [predicate({leaf.field: value}) for predicate in leaf.predicates]
    return any(tests) if leaf.linking == "any" else all(tests)


def _lacking(leaf: Leaf, failing: list[FieldTest | KeywordTest]) -> str:
    words = ", ".join(_wanted(test) for test in failing[:MAX_WANTED])
    more = f" and {len(failing) - MAX_WANTED} more" if len(failing) > MAX_WANTED else ""
    return f"{len(failing)} of {len(leaf.tests)} missing: {words}{more}"


def _closest(
    failing: list[FieldTest | KeywordTest], value: object, fields: Fields
) -> tuple[FieldTest | KeywordTest, Cause]:
    causes = [(test, _cause(test, value, fields)) for test in failing[:MAX_COMPARED]]
    best = max(causes, key=lambda each: each[1].rank)
    if best[1].rank > _NEAR or not isinstance(value, str):
        return best
    return _alike(failing[:MAX_COMPARED], value) or best


def _cause(test: FieldTest | KeywordTest, value: object, fields: Fields) -> Cause:
    if isinstance(test.test, FieldRefTest):
        other = test.test.field_path
        if fields.get(other) is None:
            near = near_names(other, fields)
            has = f"; it has {', '.join(f'`{name}`' for name in near)}" if near else ""
            return Cause(3, "reference", f"compared with `{other}`, which the event does not have{has}")
        return Cause(3, "reference", f"compared with `{other}`, which is {shown(fields[other])}")
    return cause_of(test.test, value)


def _alike(failing: list[FieldTest | KeywordTest], value: str) -> tuple[FieldTest | KeywordTest, Cause] | None:
    """Find a wanted text that is a slip away from the value, or from its last part."""
    texts = dict[str, FieldTest | KeywordTest]()
    for test in failing:
        if isinstance(test.test, TextTest):
            literal = "".join(part for part in test.test.parts if isinstance(part, str)).lower()
            texts.setdefault(_end(literal), test)
    found = difflib.get_close_matches(_end(value.lower()), texts, 1, _ALIKE)
    return (texts[found[0]], Cause(4, "other", "spelt almost like it")) if found else None


def _end(text: str) -> str:
    return text.replace("/", "\\").rpartition("\\")[2][:80]


def _wanted(test: FieldTest | KeywordTest) -> str:
    return wanted_of(test.test, is_keyword=isinstance(test, KeywordTest))


def _place(test: FieldTest | KeywordTest, fields: Fields) -> str:
    if isinstance(test, FieldTest):
        return "" if not isinstance(test.test, ExistsTest | NullTest) or test.field_path in fields else "is missing"
    place = next((name for name, value in fields.items() if _contains(test, value)), "")
    return f"in `{place}`" if place else ""


def _contains(test: KeywordTest, value: object) -> bool:
    return compile_condition(test)({"": value})
