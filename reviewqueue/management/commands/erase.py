"""`manage.py erase STREAM [ID ...] [--from FILE]`: empty what items hold of a person."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reviewqueue.erasures import ErasureError, erase_items
from reviewqueue.management.streams import find_stream

_USAGE = 2


class Command(BaseCommand):
    """Erase items of a stream by their external ids."""

    help = (
        "Empties payload, signals, metadata and sources of a stream's items, and what people wrote "
        "of them. Decisions, answers and counts stay. It cannot be taken back; to run it again "
        "changes nothing. Exit code 1 if an id is unknown. docs/erasure.md has the rest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("stream", help="the stream's key")
        parser.add_argument("external_ids", nargs="*", metavar="ID", help="external ids of items")
        parser.add_argument(
            "--from",
            dest="file",
            default="",
            metavar="FILE",
            help="a file with an external id a line; - is the input",
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Erase, and print how many and which ids are unknown."""
        stream = find_stream(options["stream"], returncode=_USAGE)
        ids = [*options["external_ids"], *_read_ids(options["file"])]
        if not ids:
            raise CommandError("Name the items by their external ids.", returncode=_USAGE)
        try:
            done = erase_items(stream=stream, external_ids=ids)
        except ErasureError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{done.erased:,} erased, {done.before:,} were erased before")
        if done.unknown:
            raise CommandError(
                f"No item of {stream.key} has these ids; check them: {', '.join(done.unknown)}."
            )


def _read_ids(name: str) -> list[str]:
    """The lines of the file that are not blank."""
    if not name:
        return []
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}.", returncode=_USAGE) from error
    return [line.strip() for line in text.splitlines() if line.strip()]
