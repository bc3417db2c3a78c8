"""Rules before and after a change, and settings that name them."""

from __future__ import annotations

from pathlib import Path

FORCED = """
title: Door forced
name: forced
logsource: {category: physical_access}
detection: {s: {event.action: door-forced}, condition: s}
---
"""
REFUSED = """
title: Card refused
name: refused
logsource: {category: physical_access}
detection: {s: {event.action: access-denied}, condition: s}
---
"""
THREE = """
title: Three cards refused at a door
name: three_refused
correlation:
  type: event_count
  rules: [refused]
  group-by: [physical.portal.id]
  timespan: 60s
  condition: {gte: 3}
---
"""
ABOVE = """
title: Refused three times, then forced
name: refused_then_forced
correlation:
  type: temporal_ordered
  rules: [three_refused, forced]
  group-by: [physical.portal.id]
  timespan: 60s
---
"""
NOT_INSIDE = """
title: Door forced while nobody was inside
name: forced_while_empty
correlation:
  type: during
  trigger: forced
  open: [refused]
  max_age: 60s
  count: {lt: 1}
  group-by: [physical.portal.id]
---
"""
FORCED_TOO = FORCED.replace("name: forced", "name: forced_too").replace("Door forced", "Door forced too")
BASE = FORCED + REFUSED + THREE
CHANGES = {
    "another rule": BASE + FORCED_TOO,
    "wording": BASE.replace("Three cards", "3 cards"),
    "threshold": BASE.replace("gte: 3", "gte: 4"),
    "the rule it counts": BASE.replace("access-denied", "access-granted"),
    "left": FORCED + REFUSED,
    "one above": BASE + ABOVE,
    "another id": BASE.replace("refused", "refused_now"),
}


def settings_of(folder: Path, rules: str, more: str = "") -> Path:
    (folder / "rules.yml").write_text(rules)
    (folder / "isthmus.yml").write_text(
        "data_dir: data\nrules: [rules.yml]\ncheckpoint: 50ms\nlateness: {default: 1s}\ncanary: {every: 0s}\n" + more
    )
    return folder / "isthmus.yml"
