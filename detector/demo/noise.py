"""The ordinary day around the story: badges, logons, flows, motion, chatter. The same every time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from detector.demo.script import Sending, stamps

SECOND = 10**9
DAY_S = 86_400
AFTER_S = 7_200
"""How far the clock goes on after the day: past every timer but the ends of long episodes."""

GATEWAY_DOWN_S = (75_600, 76_500)
"""From 21:00 to 21:15 the gateway's daemon says nothing."""

ZONE = ZoneInfo("Europe/Berlin")
SEED = 20_261_020

_NAMES = (
    "adler",
    "becker",
    "cruz",
    "dietz",
    "engel",
    "fuchs",
    "graf",
    "horn",
    "issa",
    "jung",
    "kern",
    "lang",
    "moser",
    "nagel",
    "otto",
    "pohl",
    "quast",
)
_ACCOUNTS = tuple(f"{first}{name}" for first, name in zip("abcdefghijklmnopr", _NAMES, strict=True))
_STAFF = [(str(10_100 + number), name) for number, name in enumerate(_NAMES)]
_PLANT_B = [str(20117 + n) for n in range(10)]
_DOORS = [
    "Main turnstile 1",
    "Main turnstile 2",
    "Staff entrance",
    "Control building entrance",
    "Warehouse gate",
    "Laboratory door",
    "Workshop door",
]
_DOORS_B = ["Turnstile B", "Hall entrance B", "Control room door B", "Loading bay door B"]
_CAMERAS = ["d0fcaa000001", "d0fcaa000004", "d0fcaa000007", "d0fcaa000010"]


def ordinary_day(start_ns: int) -> list[Sending]:
    """Return several thousand ordinary records of one day.

    Args:
        start_ns: Midnight, UTC nanoseconds.
    """
    draw = random.Random(SEED)  # noqa: S311  a fixed day, not a secret
    sendings = list[Sending]()
    for part in (_chatter, _polls, _badges, _logons, _flows, _modbus, _motion, _ssh, _reports, _turnstile):
        sendings.extend(part(start_ns, draw))
    return sendings


def _send(channel: str, time_ns: int, body: dict[str, Any] | str, delay_ns: int = 0) -> Sending:
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    return Sending(time_ns + delay_ns, channel, text.encode())


def _chatter(start_ns: int, draw: random.Random) -> Iterator[Sending]:
    """The gateway says something at least every 60 s, but for an evening's quarter of an hour, and beyond the day."""
    time_ns = start_ns
    while time_ns < start_ns + (DAY_S + AFTER_S) * SECOND:
        words = stamps(time_ns, ZONE)
        if not GATEWAY_DOWN_S[0] <= (time_ns - start_ns) // SECOND < GATEWAY_DOWN_S[1]:
            line = f"<134>{words['bsd']} gw-ra-01 guacd[801]: Guacamole proxy daemon is alive"
            yield _send("guacamole", time_ns, line)
        within = time_ns < start_ns + DAY_S * SECOND
        time_ns += (draw.randint(38, 44) if within else 40) * SECOND


def _polls(start_ns: int, draw: random.Random) -> Iterator[Sending]:  # noqa: ARG001  polls keep time
    """The ticket system is asked every ten minutes; the marker says how far the answer reaches."""
    for second in range(305, DAY_S, 600):
        time_ns = start_ns + second * SECOND
        marker = {"table": "approvals", "current_to": stamps(time_ns - 2 * SECOND, ZONE)["utc"]}
        yield _send("marker", time_ns + 2 * SECOND, marker)


def _badges(start_ns: int, draw: random.Random) -> Iterator[Sending]:
    for number, name in _STAFF:
        arrival, departure = draw.randint(18_000, 30_000), draw.randint(54_000, 66_000)
        visits = [(arrival, _DOORS[draw.randrange(3)], True), (departure, _DOORS[draw.randrange(3)], False)]
        visits += [(draw.randint(arrival, departure), draw.choice(_DOORS[3:]), True) for _ in range(12)]
        for second, door, inwards in visits:
            time_ns = start_ns + second * SECOND
            zones = ("Plant A", "Outside") if inwards else ("Outside", "Plant A")
            body = {
                "id": str(draw.randint(100_000, 999_999)),
                "time": stamps(time_ns, ZONE)["utc"],
                "type": {"id": "20001", "name": "Access granted"},
                "source": {"id": "1", "name": door},
                "cardholder": {"name": name},
                "card": {"number": number},
                "entryAccessZone": {"name": zones[0]},
                "exitAccessZone": {"name": zones[1]},
            }
            late = draw.random() < 0.03
            yield _send("pacs", time_ns, body, draw.randint(20, 300) * SECOND if late else 0)


def _logons(start_ns: int, draw: random.Random) -> Iterator[Sending]:
    for _ in range(700):
        time_ns = start_ns + draw.randint(0, DAY_S - 1) * SECOND
        account = draw.choice(_ACCOUNTS)
        host, code = draw.choice(
            [("fs-01", 4624), ("dc-01", 4624), ("fs-01", 4634), ("dc-01", 4672), ("ws-a-03", 4625)]
        )
        data = {
            "TargetUserName": account,
            "TargetDomainName": "CORP",
            "SubjectUserName": account,
            "SubjectDomainName": "CORP",
            "TargetLogonId": hex(draw.randint(0x10000, 0xFFFFFFF)),
            "LogonType": "3",
            "IpAddress": f"10.10.3.{draw.randint(1, 13)}",
        }
        winlog = {"channel": "Security", "event_id": code, "computer_name": host, "event_data": data}
        yield _send(
            "windows", time_ns, {"@timestamp": stamps(time_ns, ZONE)["utc"], "host": {"name": host}, "winlog": winlog}
        )


def _flows(start_ns: int, draw: random.Random) -> Iterator[Sending]:
    pairs = [
        ("10.30.1.11", "10.30.2.7", 102, "s7comm"),
        ("10.30.1.20", "10.30.2.2", 502, "modbus"),
        ("10.30.1.31", "10.30.2.7", 102, "s7comm"),
        ("10.10.3.4", "10.10.0.20", 445, "smb"),
        ("10.10.3.9", "10.20.0.11", 3389, "rdp"),
        ("10.10.3.7", "10.10.0.10", 53, "dns"),
    ]
    for number in range(900):
        time_ns = start_ns + draw.randint(0, DAY_S - 1) * SECOND
        source, destination, port, service = draw.choice(pairs)
        row = {
            "ts": f"{time_ns / 1e9:.6f}",
            "uid": f"C{number:05d}",
            "id.orig_h": source,
            "id.orig_p": draw.randint(49_152, 65_535),
            "id.resp_h": destination,
            "id.resp_p": port,
            "proto": "udp" if service == "dns" else "tcp",
            "service": service,
            "duration": round(draw.random() * 9, 3),
            "conn_state": "SF",
        }
        yield _send("zeek", time_ns, row, draw.randint(0, 5) * SECOND)


def _modbus(start_ns: int, draw: random.Random) -> Iterator[Sending]:
    for number in range(500):
        time_ns = start_ns + draw.randint(0, DAY_S - 1) * SECOND
        row = {
            "ts": f"{time_ns / 1e9:.6f}",
            "uid": f"M{number:05d}",
            "id.orig_h": "10.30.1.20",
            "id.orig_p": 50_000,
            "id.resp_h": "10.30.2.2",
            "id.resp_p": 502,
            "func": draw.choice(["READ_HOLDING_REGISTERS", "READ_COILS", "WRITE_SINGLE_REGISTER"]),
            "unit": 1,
            "address": draw.randint(0, 400),
            "quantity": 8,
        }
        yield _send("modbus", time_ns, row, draw.randint(0, 3) * SECOND)


def _motion(start_ns: int, draw: random.Random) -> Iterator[Sending]:
    for number in range(500):
        time_ns = start_ns + draw.randint(0, DAY_S - 1) * SECOND
        item = {
            "id": f"m-{number}",
            "modelKey": "event",
            "type": draw.choice(["motion", "motion", "smartDetectZone"]),
            "start": time_ns // 10**6,
            "device": draw.choice(_CAMERAS),
            "smartDetectTypes": ["person"],
        }
        yield _send("video", time_ns, {"type": "add", "item": item})


def _ssh(start_ns: int, draw: random.Random) -> Iterator[Sending]:
    for _ in range(250):
        time_ns = start_ns + draw.randint(0, DAY_S - 1) * SECOND
        bsd = stamps(time_ns, ZONE)["bsd"]
        account, address = draw.choice(_ACCOUNTS), f"10.10.3.{draw.randint(1, 13)}"
        line = draw.choice(
            [
                f"Accepted publickey for {account} from {address} port {draw.randint(40_000, 60_000)} ssh2",
                f"Failed password for invalid user admin from 192.0.2.{draw.randint(1, 250)} port 40022 ssh2",
                f"Disconnected from user {account} {address} port {draw.randint(40_000, 60_000)}",
            ]
        )
        yield _send("bastion", time_ns, f"<86>{bsd} bastion-01 sshd[{draw.randint(1_000, 30_000)}]: {line}")


def _reports(start_ns: int, draw: random.Random) -> Iterator[Sending]:
    """Plant B's system drops a report a minute, when there is anything to report."""
    for minute in range(300, 1_200, 6):
        time_ns = start_ns + minute * 60 * SECOND
        rows = ["EVENT_TIME_UTC,EVDESCR,CARDNUM,READERDESC,PANELNAME"]
        for _ in range(draw.randint(1, 4)):
            when = stamps(time_ns - draw.randint(5, 55) * SECOND, ZONE)["utc_plain"]
            reader = f"{draw.choice(_DOORS_B)} {draw.choice(['In', 'Out'])}"
            rows.append(f'"{when}",Access Granted,{draw.choice(_PLANT_B)},{reader},LNL-{draw.randint(1, 3)}')
        yield _send("onguard", time_ns, "\n".join(rows) + "\n")


def _turnstile(start_ns: int, draw: random.Random) -> Iterator[Sending]:
    """The turnstile of plant B tells of each turn; its clock is slow."""
    for number in range(400):
        time_ns = start_ns + draw.randint(0, DAY_S * 1_000) * SECOND // 1_000
        is_day = 20_000 <= (time_ns - start_ns) // SECOND < 70_000
        body: dict[str, Any] = {
            "device-id": 405419896,
            "event-id": number,
            "event-type": 2,
            "event-type-text": "door",
            "door-id": 1,
            "event-reason": draw.choice([23, 24]),
        }
        if is_day and number % 3 == 0:
            card, direction = int(draw.choice(_PLANT_B)), draw.choice([1, 2])
            body |= {"event-type": 1, "event-type-text": "swipe", "access-granted": True, "event-reason": 1}
            body |= {"card-number": card, "direction": direction}
        body["timestamp"] = stamps(time_ns - 180 * SECOND, ZONE)["abbr"]
        yield _send("turnstile", time_ns, body, draw.randint(20, 60) * SECOND // 1_000)
