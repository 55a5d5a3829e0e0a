"""The command line: one file per command, and nothing heavy imported before a command needs it."""

from gradmask.cli.app import main as main
