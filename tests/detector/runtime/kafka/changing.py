"""Rules before and after a change of one, and with new ones."""

from __future__ import annotations

from tests.detector.runtime.engine_process import RULES

FOUR = """
---
title: Many cards refused at a door
name: many_refused
correlation: {type: event_count, rules: [refused], group-by: [physical.portal.id], timespan: 3s, condition: {gte: 4}}
"""
ALONE = """
---
title: Door forced, nobody let in
name: forced_alone
correlation:
  type: absence
  trigger: door_forced_too
  missing: [refused]
  when: around
  timespan: 1s
  coverage: ignore
  group-by: [physical.portal.id]
"""
GRANTED = """
---
title: Card granted
name: granted_now
logsource: {category: physical_access}
detection: {s: {event.action: access-granted, physical.portal.id: door-7}, condition: s}
"""
FIRST, SECOND = RULES + FOUR, RULES + FOUR.replace("gte: 4", "gte: 3") + ALONE + GRANTED
