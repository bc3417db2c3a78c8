"""Functions of industrial protocols: what class they are and which action they stand for."""

from __future__ import annotations

import msgspec


class Function(msgspec.Struct, frozen=True):
    """Class (read, write, control, program, diagnostic, file, auth) and canonical action."""

    kind: str
    action: str


MODBUS: dict[str, Function] = {
    "READ_COILS": Function("read", "read"),
    "READ_DISCRETE_INPUTS": Function("read", "read"),
    "READ_HOLDING_REGISTERS": Function("read", "read"),
    "READ_INPUT_REGISTERS": Function("read", "read"),
    "READ_EXCEPTION_STATUS": Function("diagnostic", "read"),
    "DIAGNOSTICS": Function("diagnostic", "diagnostic-run"),
    "GET_COMM_EVENT_COUNTER": Function("diagnostic", "read"),
    "GET_COMM_EVENT_LOG": Function("diagnostic", "read"),
    "REPORT_SLAVE_ID": Function("diagnostic", "read"),
    "READ_FILE_RECORD": Function("file", "read"),
    "READ_FIFO_QUEUE": Function("read", "read"),
    "ENCAP_INTERFACE_TRANSPORT": Function("diagnostic", "read"),
    "WRITE_SINGLE_COIL": Function("write", "write"),
    "WRITE_SINGLE_REGISTER": Function("write", "write"),
    "WRITE_MULTIPLE_COILS": Function("write", "write"),
    "WRITE_MULTIPLE_REGISTERS": Function("write", "write"),
    "MASK_WRITE_REGISTER": Function("write", "write"),
    "READ_WRITE_MULTIPLE_REGISTERS": Function("write", "write"),
    "WRITE_FILE_RECORD": Function("file", "write"),
    "PROGRAM_UNITY": Function("program", "program-download"),
}
"""MODBUS Application Protocol V1.1b3, names as Zeek writes them."""

S7: dict[str, Function] = {
    "Read Variable": Function("read", "read"),
    "Write Variable": Function("write", "write"),
    "Setup Communication": Function("diagnostic", "session-setup"),
    "Request Download": Function("program", "program-download"),
    "Download Block": Function("program", "program-download"),
    "Download Ended": Function("program", "program-download"),
    "Start Upload": Function("program", "program-upload"),
    "Upload": Function("program", "program-upload"),
    "End Upload": Function("program", "program-upload"),
    "PLC Control": Function("control", "mode-changed"),
    "PLC Stop": Function("control", "plc-stop"),
    "CPU Services": Function("diagnostic", "read"),
}
"""S7 communication functions, names as ICSNPP writes them (without case)."""

S7_BY_NAME = {name.lower(): function for name, function in S7.items()}

OTHER = Function("diagnostic", "ot-message")

PORTS = frozenset({102, 502, 1089, 1090, 1091, 2222, 2404, 4840, 5094, 18245, 20000, 34962, 34963, 34964, 44818, 47808})
"""Registered ports of industrial protocols (IANA)."""
