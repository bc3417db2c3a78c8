"""Random detections as their author writes them, and events made of what they look for."""

from __future__ import annotations

import base64
import re
from typing import Any

import yaml
from hypothesis import strategies as st

Draw = st.DrawFn
Detection = dict[str, Any]

FIELDS = ["f", "g", "n.a", "n.a.b", "Spaced Name", "absent"]
LETTERS = "abAB1\\*? -/%.äΣςßİ\n"
_texts = st.text(LETTERS, max_size=5)
_words = st.sampled_from(["ab", "foo", "b a", "-a", "Ab-", "1a"])
_numbers = st.sampled_from([0, 1, -1, 5, 1.5, 2**53 + 1, 10**20])
_scalars = st.one_of(_texts, _texts, _words, _numbers, st.booleans(), st.none())
_expressions = st.sampled_from(
    [
        "a+b",
        "ab|b",
        "^a",
        "a$",
        "[ab]{2}",
        "(a|b)1?",
        "a.b",
        "\\\\a",
        "",
        "(?i)AB",
        "^(a|ä)",
        "\\d",
        "a(b|1)c|foo",
        "x?",
    ]
)
_networks = st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "::/0", "fe80::/10", "::ffff:10.0.0.0/104", "10.1.2.3"])
_dashed = st.sampled_from([" -a", "/a -b", "ab", "-a-b", " -a*b", "\u2013a"])
_percents = st.sampled_from([r"\%a\%", "50%", "a", r"\%", r"*\%b"])
_AFFIXES = ["contains", "startswith", "endswith"]

EXAMPLES_OF: dict[str, list[Any]] = {
    "cidr": ["10.1.2.3", "10.200.0.1", "::ffff:10.1.2.3", "fe80::1%eth0", "::1", "11.0.0.1", "x"],
    "hour": ["2026-10-20T03:10:00Z", "2026-10-20 04:00:00+01:00", 1_792_465_800, 1_792_465_800_000, "2026-10-20", "x"],
}
"""Values that meet a kind of test now and then."""


@st.composite
def _some(draw: Draw, values: st.SearchStrategy[Any]) -> Any:  # noqa: ANN401  one value or a list
    several = draw(st.lists(values, min_size=1, max_size=3))
    return several if draw(st.booleans()) else several[0]


@st.composite
def _chain(draw: Draw, values: st.SearchStrategy[Any], first: list[str], optional: list[str]) -> tuple[str, Any]:
    """Draw modifiers in their order, some of them left out, and what they modify."""
    kept = [each for each in optional if draw(st.booleans())]
    lists = [each for each in ("all", "neq") if draw(st.integers(0, 4)) == 0]
    return "|".join(["", *first, *kept, *draw(st.permutations(lists))]), draw(_some(values))


def _one_of(*words: str) -> st.SearchStrategy[list[str]]:
    return st.sampled_from(words).map(lambda word: [word])


@st.composite
def _modified(draw: Draw) -> tuple[str, Any]:
    """Draw modifiers and values of an item."""
    affix = [draw(st.sampled_from(_AFFIXES))]
    encoding = draw(_one_of("base64", "base64offset"))
    encoded = [*draw(_one_of("wide", "utf16le", "utf16be", "utf16")), *encoding]
    chains: list[st.SearchStrategy[tuple[str, Any]]] = [
        _chain(_scalars, [], []),
        _chain(_texts, affix, ["cased"]),
        _chain(_words, affix, ["cased"]),
        _chain(_dashed, ["windash"], affix),
        _chain(st.sampled_from(["foo", "ab", "a-1"]), encoding, ["contains"]),
        _chain(st.sampled_from(["foo", "ab"]), encoded, ["contains"]),
        _chain(_expressions, ["re"], ["i", "m", "s", *affix]),
        _chain(_networks, ["cidr"], []),
        _chain(st.sampled_from([0, 1, 1.5, -1]), draw(_one_of("lt", "lte", "gt", "gte")), []),
        _chain(st.sampled_from([0, 3, 10]), draw(_one_of("hour", "minute")), draw(_one_of("gte", "lt"))),
        _chain(st.sampled_from(FIELDS), ["fieldref"], ["cased", *affix]),
        _chain(_percents, ["expand"], affix),
    ]
    return draw(chains[draw(st.integers(0, len(chains) - 1))])


@st.composite
def _item(draw: Draw) -> tuple[str, Any]:
    if draw(st.integers(0, 9)) == 0:
        return f"{draw(st.sampled_from(FIELDS))}|exists", draw(st.booleans())
    modifiers, values = draw(_modified())
    return draw(st.sampled_from(FIELDS)) + modifiers, values


_maps = st.lists(_item(), min_size=1, max_size=3, unique_by=lambda item: item[0]).map(dict)
_keywords = st.one_of(_words, _words, _texts.filter(bool), st.sampled_from([1, 5]))


@st.composite
def _keyword_map(draw: Draw) -> dict[str, Any]:
    modifiers = draw(
        st.sampled_from(["|all", "|contains|all", "|re", "|re|i", "|cased", "|neq", "|base64offset|contains"])
    )
    if modifiers.startswith("|re"):
        return {modifiers: draw(_some(_expressions))}
    return {modifiers: draw(st.lists(_words, min_size=1, max_size=2))}


_selections = st.one_of(
    _maps,
    _maps,
    st.lists(_maps, min_size=1, max_size=2),
    st.lists(_keywords, min_size=1, max_size=3),
    _keyword_map(),
    st.tuples(_maps, _words).map(list),
)


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, st.sampled_from(["and", "or", "and not"]), inner)
    return st.one_of(inner.map(lambda each: f"not {each}"), pairs.map(lambda each: f"({' '.join(each)})"))


_conditions = st.recursive(
    st.sampled_from(["s1", "s2", "_x", "1 of s*", "all of s*", "1 of them", "all of them", "any of _x"]),
    _joined,
    max_leaves=4,
)


@st.composite
def detections(draw: Draw) -> Detection:
    """Draw a detection that must load."""
    names = {name: draw(_selections) for name in ("s1", "s2", "_x")}
    condition: Any = draw(_conditions)
    return names | {"condition": [condition, draw(_conditions)] if draw(st.integers(0, 5)) == 0 else condition}


def text_of(detection: Detection, number: int) -> str:
    """Write a rule as a file has it."""
    rule = {"title": f"r{number}", "name": f"r{number}", "logsource": {"product": "p"}, "detection": detection}
    return str(yaml.safe_dump(rule, allow_unicode=True))


def sought(value: Any, modifiers: list[str]) -> list[Any]:  # noqa: ANN401  a value of a rule
    """Return values of events that an item may match."""
    for kind, examples in EXAMPLES_OF.items():
        if kind in modifiers or (kind == "hour" and "minute" in modifiers):
            return examples
    if not isinstance(value, str):
        return [value]
    plain = re.sub(r"[*?\\]", "", value)
    encoded = [base64.b64encode(lead + plain.encode()).decode() for lead in (b"", b"x", b"xy")]
    wide = base64.b64encode(plain.encode("utf-16-le")).decode()
    filled = re.sub(r"\\?\*", "x", value).replace("?", "y").replace("\\\\", "\\").replace(r"\%", "%")
    cases = [
        value,
        filled,
        filled.upper(),
        f"1{filled}",
        f"{filled}\n1",
        plain,
        f"{filled} a",
        filled.replace("-", "/"),
    ]
    return [*cases, *encoded, wide] if "base64" in "".join(modifiers) else cases


def pool_of(selection: Any, pool: dict[str, list[Any]]) -> None:  # noqa: ANN401
    """Collect by field what a selection looks for; keywords under any field."""
    for each in selection if isinstance(selection, list) else [selection]:
        if not isinstance(each, dict):
            pool["g"].extend(sought(each, []))
            continue
        for key, values in each.items():
            path, *modifiers = key.split("|")
            for value in values if isinstance(values, list) else [values]:
                pool[path or "f"].extend(sought(value, modifiers))


def _placed(path: str, value: Any, how: int) -> dict[str, Any]:  # noqa: ANN401
    head, _, rest = path.partition(".")
    if not rest or how == 0:
        return {path.replace(" ", "") if how == 1 else path: value}
    inner = _placed(rest, value, how)
    return {head: [inner, {"other": 1}] if how == 2 else inner}


@st.composite
def events_for(draw: Draw, made: list[Detection]) -> list[dict[str, Any]]:
    """Draw events of mixed shapes that are likely to meet some detections, some of them several times."""
    pool = {path: [draw(_scalars), "ab", None] for path in FIELDS}
    for detection in made:
        for name, selection in detection.items():
            if name != "condition":
                pool_of(selection, pool)
    events = list[dict[str, Any]]()
    for _ in range(draw(st.integers(1, 5))):
        event = dict[str, Any]()
        for path in draw(st.lists(st.sampled_from(FIELDS[:-1]), max_size=4, unique=True)):
            values = st.sampled_from(pool[path])
            value = draw(st.lists(values, max_size=3)) if draw(st.integers(0, 4)) == 0 else draw(values)
            event = _placed(path, value, draw(st.integers(0, 2))) | event
        events.extend([event] * draw(st.sampled_from([1, 2, 6])))
    return draw(st.permutations(events))
