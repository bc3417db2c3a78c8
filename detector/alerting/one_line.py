"""One alert on one line of a terminal."""

from __future__ import annotations

from typing import Any


def one_line(document: dict[str, Any]) -> str:
    """Return site-local time, severity and the sentence: ``03:12:44 +02:00  CRITICAL  …``."""
    convergence = document["convergence"]
    moment = str(convergence["time"]["last"])
    level = str(convergence["alert"]["level"]).upper()
    status = convergence["alert"]["status"]
    mark = "" if status != "withdrawn" else "(withdrawn) "
    code = document["event"]["code"]
    return f"{moment[11:19]} {moment[19:] or '+00:00'}  {level:<8}  {code:<7}  {mark}{document['message']}"
