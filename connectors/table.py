"""Which class runs which kind of input: the one table from settings to connector."""

from __future__ import annotations

from connectors.file_tail import FileTailConnector
from connectors.folder import FolderConnector
from connectors.http_push import HttpPushListener
from connectors.intake import Connector, Intake
from connectors.kafka.settings import KafkaTopics
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
        case KafkaTopics():
            return _kafka(settings, intake)


def _kafka(settings: KafkaTopics, intake: Intake) -> Connector:
    # The client takes a fifth of a second to import, which only its users should pay.
    from connectors.kafka.reading import KafkaConnector  # noqa: PLC0415

    return KafkaConnector(settings, intake)
