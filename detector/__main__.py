"""The `isthmus` command. Each subcommand is imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module

import click
import structlog

COMMANDS: dict[str, str] = {
    "audit": "detector.cli.audit:audit",
    "clock": "detector.cli.clock:clock",
    "connect": "detector.cli.connect:connect",
    "context": "detector.cli.context:context",
    "deadletter": "detector.cli.deadletter:deadletter",
    "demo": "detector.cli.demo:demo",
    "deploy": "detector.cli.deploy:deploy",
    "eval": "detector.cli.eval:evaluate",
    "init": "detector.cli.init:init",
    "inspect": "detector.cli.inspect:inspect",
    "replay": "detector.cli.replay:replay_command",
    "rules": "detector.cli.rules:rules",
    "run": "detector.cli.run:run",
    "topics": "detector.cli.topics:topics",
    "who": "detector.cli.who:who",
    "worker": "detector.cli.worker:worker",
}
"""Subcommand to ``module:click command``."""


class LazyGroup(click.Group):
    """A group whose commands are imported on use, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """List all names without importing anything."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Import and return one command."""
        path = COMMANDS.get(cmd_name)
        if path is None:
            return None
        module, _, name = path.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="isthmus", prog_name="isthmus")
def main() -> None:
    """Watch IT, OT, building and physical-security systems as one landscape.

    Exit codes: 0 fine, 1 findings, 2 usage or settings wrong, 3 something outside is unavailable.
    """
    # Standard output is for results; what the engine says of itself goes beside it.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


if __name__ == "__main__":
    main()
