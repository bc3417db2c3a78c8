r"""The syslog envelope: RFC 5424 and RFC 3164, with and without priority.

Real lines::

    <34>1 2026-10-11T22:14:15.003Z jump-1 sshd 4597 ID47 [a@1 b="c"] Accepted password for root
    <13>Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 173.234.31.186

References:
    RFC 5424 section 6; RFC 3164 section 4; RFC 6587 does the framing and is the connectors' matter.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import msgspec

from normalizers.source import UTC
from normalizers.timestamps import parse_iso8601, parse_rfc3164

MAX_STRUCTURED = 64
"""Parameters read of one message; a real one has a handful."""

_PRIORITY = re.compile(r"<(\d{1,3})>", re.ASCII)

_RFC5424 = re.compile(
    r"""
    1\ (?P<time>\S{1,64})\ (?P<host>\S{1,255})\ (?P<app>\S{1,48})\ (?P<pid>\S{1,128})\ (?P<msgid>\S{1,32})
    \ (?P<rest>.*)
    """,
    re.VERBOSE | re.DOTALL,
)

_RFC3164 = re.compile(
    r"""
    (?P<time> [A-Z][a-z]{2}\ [\ \d]\d\ \d{2}:\d{2}:\d{2} (?:\.\d{1,9})? | \d{4}-\d{2}-\d{2}T\S{8,40} )
    \ (?P<host>\S{1,255})
    \ ?(?P<rest>.*)
    """,
    re.VERBOSE | re.DOTALL,
)
"""The second form of time is what rsyslog writes by default since version 8."""

_TAG = re.compile(r"(?P<app>[^\s:\[\]]{1,64})(?:\[(?P<pid>[^\]\s]{1,32})\])?:\ ?")
_ELEMENT = re.compile(r'\[(?P<id>[^\s=\]"]{1,64})(?P<params>(?:\ [^\s=\]"]{1,64}="(?:\\.|[^"\\])*")*)\]', re.DOTALL)
_PARAM = re.compile(r' ([^\s=\]"]{1,64})="((?:\\.|[^"\\])*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\([\"\\\]])")


class SyslogMessage(msgspec.Struct, frozen=True):
    """One message without its envelope.

    Attributes:
        time_ns: UTC nanoseconds of the sender's stamp; None when the line has none.
        host: Sender's name as written; None when absent.
        app: Program name.
        pid: Process id as text.
        msgid: RFC 5424 message id.
        structured: ``<element>.<parameter>`` to value.
        message: The rest, without a byte order mark.
        priority: 0 to 191; None when absent.
    """

    time_ns: int | None
    host: str | None
    app: str | None
    pid: str | None
    msgid: str | None
    structured: dict[str, str]
    message: str
    priority: int | None


def parse_syslog(value: bytes, received_ns: int, zone: ZoneInfo = UTC) -> SyslogMessage:
    """Take a syslog line apart.

    Args:
        value: One message without its framing; bytes that are not UTF-8 are replaced.
        received_ns: Decides the year of stamps without one.
        zone: Zone of stamps without one.

    Returns:
        The parts. A line that follows neither RFC is all message.

    Raises:
        BadTimestampError: The line follows an RFC, but its time cannot be read.
    """
    text = value.decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r\n\x00")
    priority: int | None = None
    if found := _PRIORITY.match(text):
        priority = int(found[1])
        text = text[found.end() :]
    if modern := _RFC5424.fullmatch(text):
        return _modern(modern, priority, zone)
    if classic := _RFC3164.fullmatch(text):
        return _classic(classic, priority, received_ns, zone)
    return SyslogMessage(None, None, None, None, None, {}, text, priority)


def _modern(found: re.Match[str], priority: int | None, zone: ZoneInfo) -> SyslogMessage:
    stamp = found["time"]
    structured, message = _structured(found["rest"])
    return SyslogMessage(
        None if stamp == "-" else parse_iso8601(stamp, zone),
        _set(found["host"]),
        _set(found["app"]),
        _set(found["pid"]),
        _set(found["msgid"]),
        structured,
        message.lstrip("\ufeff"),
        priority,
    )


def _classic(found: re.Match[str], priority: int | None, received_ns: int, zone: ZoneInfo) -> SyslogMessage:
    stamp = found["time"]
    time_ns = parse_iso8601(stamp, zone) if stamp[0].isdigit() else parse_rfc3164(stamp, received_ns, zone)
    host, rest = found["host"], found["rest"]
    # Some senders leave the host out: then the tag stands in its place.
    if host.endswith(":") and _TAG.fullmatch(host):
        host, rest = "", f"{host} {rest}"
    tag = _TAG.match(rest)
    message = rest[tag.end() :] if tag else rest
    return SyslogMessage(
        time_ns,
        host or None,
        tag["app"] if tag else None,
        tag["pid"] if tag else None,
        None,
        {},
        message,
        priority,
    )


def _structured(rest: str) -> tuple[dict[str, str], str]:
    if rest.startswith("-"):
        return {}, rest[1:].removeprefix(" ")
    parameters = dict[str, str]()
    position = 0
    while found := _ELEMENT.match(rest, position):
        for name, raw in _PARAM.findall(found["params"]):
            if len(parameters) >= MAX_STRUCTURED:
                break
            parameters[f"{found['id']}.{name}"] = _ESCAPE.sub(r"\1", raw)
        position = found.end()
    return parameters, rest[position:].removeprefix(" ")


def _set(text: str) -> str | None:
    return None if text == "-" else text
