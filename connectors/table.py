"""Which class runs which kind of input: the one table from settings to connector."""

from __future__ import annotations

from connectors.file_tail import FileTailConnector
from connectors.folder import FolderConnector
from connectors.http_push import HttpPushListener
from connectors.intake import Connector, Intake
from connectors.settings import FileTail, Folder, HttpPush, InputSettings, SyslogTcp, SyslogUdp
from connectors.syslog_tcp import SyslogTcpListener
from connectors.syslog_udp import SyslogUdpListener


def build_connector(settings: InputSettings, intake: Intake) -> Connector:
    """Make the connector of an input; it does not listen yet."""
    match settings:
        case SyslogUdp():
            return SyslogUdpListener(settings, intake)
        case SyslogTcp():
            return SyslogTcpListener(settings, intake)
        case HttpPush():
            return HttpPushListener(settings, intake)
        case FileTail():
            return FileTailConnector(settings, intake)
        case Folder():
            return FolderConnector(settings, intake)
