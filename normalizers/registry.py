"""Which function reads which dataset: the one table from name to normalizer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from connectors.record import RawRecord
from normalizers.errors import UnknownDatasetError
from normalizers.event import EcsEvent
from normalizers.source import SourceProfile

Normalizer = Callable[[RawRecord, SourceProfile], list[EcsEvent]]
"""Reads one record. An empty list means: understood, and nothing happened that is an event."""

NORMALIZERS: dict[str, str] = {
    "cef.event": "normalizers.network.cef:normalize_cef_event",
    "cisco.asa": "normalizers.remote_access.cisco_asa:normalize_cisco_asa",
    "context.marker": "normalizers.context.marker:normalize_context_marker",
    "cyberark.psm": "normalizers.remote_access.cyberark_psm:normalize_cyberark_psm",
    "ecs.event": "normalizers.network.ecs:normalize_ecs_event",
    "engine.event": "normalizers.network.ecs:normalize_ecs_event",
    "frigate.event": "normalizers.physical.frigate:normalize_frigate_event",
    "gallagher.event": "normalizers.physical.gallagher:normalize_gallagher_event",
    "guacamole.session": "normalizers.remote_access.guacamole:normalize_guacamole_session",
    "hr.person": "normalizers.identity.hr:normalize_hr_person",
    "linux.auth": "normalizers.endpoint.linux_auth:normalize_linux_auth",
    "nozomi.alert": "normalizers.ot.nozomi:normalize_nozomi_alert",
    "onguard.event": "normalizers.physical.onguard:normalize_onguard_event",
    "onvif.event": "normalizers.physical.onvif:normalize_onvif_event",
    "servicenow.change": "normalizers.itsm.servicenow:normalize_servicenow_change",
    "uhppote.event": "normalizers.physical.uhppote:normalize_uhppote_event",
    "unifi.protect": "normalizers.physical.unifi_protect:normalize_unifi_protect",
    "windows.event": "normalizers.endpoint.windows_event:normalize_windows_event",
    "windows.security": "normalizers.endpoint.windows_security:normalize_windows_security",
    "windows.sysmon": "normalizers.endpoint.windows_sysmon:normalize_windows_sysmon",
    "windows.system": "normalizers.endpoint.windows_system:normalize_windows_system",
    "zeek.conn": "normalizers.network.zeek_conn:normalize_zeek_conn",
    "zeek.modbus": "normalizers.ot.zeek_modbus:normalize_zeek_modbus",
    "zeek.s7comm": "normalizers.ot.zeek_s7comm:normalize_zeek_s7comm",
}
"""Dataset to ``module:function``; imported on first use, so that start-up pays only for what is fed."""


@cache
def _load(path: str) -> Normalizer:
    module, _, function = path.partition(":")
    loaded: Normalizer = getattr(import_module(module), function)
    return loaded


def normalizer_for(dataset: str) -> Normalizer:
    """Look up the normalizer of a dataset.

    Raises:
        UnknownDatasetError: No entry in `NORMALIZERS`.
    """
    path = NORMALIZERS.get(dataset)
    if path is None:
        raise UnknownDatasetError(dataset)
    return _load(path)
