"""`manage.py export_items`: write a stream's items with what became of them."""

import gzip
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import Any, BinaryIO, cast
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_date, parse_datetime
from tqdm import tqdm

from reviewqueue.exports import Selection, export_items
from reviewqueue.files.label_studio_writing import labelling_config
from reviewqueue.files.opening import FORMATS, JSONL
from reviewqueue.management.streams import find_stream
from routing.models import Item, Stream


class Command(BaseCommand):
    """Export the items of a stream."""

    help = (
        "Writes a stream's items with decision, label and verdicts as JSON lines, CSV or Label "
        "Studio's JSON; import_items reads each of them back. Memory stays the same whatever the "
        "number of items. The formats stand in docs/files.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("stream", help="key of the stream")
        parser.add_argument("--format", choices=FORMATS, default=JSONL)
        parser.add_argument(
            "--since", default="", help="only items received since this day, or time with its zone"
        )
        parser.add_argument(
            "--state", choices=Item.State.values, default="", help="only items in this state"
        )
        parser.add_argument(
            "--include-blind",
            action="store_true",
            help="tell the machine's answer also of what is still to be judged blind",
        )
        parser.add_argument(
            "--output", default="", help="the file, zipped if it ends with .gz; else the output"
        )
        parser.add_argument(
            "--labelling-config",
            default="",
            help="write Label Studio's labelling configuration for the tasks to this file",
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Export; what is written to a file stands under its name once it is whole."""
        stream = find_stream(options["stream"])
        selection = Selection(
            stream=stream,
            since=_read_since(options["since"], stream),
            state=options["state"],
            include_blind=options["include_blind"],
        )
        if options["labelling_config"]:
            categories = stream.categories.values_list("key", "label")
            Path(options["labelling_config"]).write_text(labelling_config(categories))
        try:
            with _open_output(options["output"]) as output:
                size = _write(export_items(selection, format_name=options["format"]), output)
        except BrokenPipeError:  # whoever read the output has enough
            sys.stderr.close()
            return
        except OSError as error:
            raise CommandError(
                f"{options['output'] or 'The output'} cannot be written: {error.strerror}."
            ) from error
        if options["output"]:
            self.stdout.write(f"{stream}: {size:,} bytes written to {options['output']}")


def _write(blocks: Iterator[bytes], output: BinaryIO) -> int:
    size = 0
    with tqdm(unit="B", unit_scale=True, desc="Items", disable=None) as bar:
        for block in blocks:
            output.write(block)
            size += len(block)
            bar.update(len(block))
    output.flush()
    return size


@contextmanager
def _open_output(name: str) -> Iterator[BinaryIO]:
    """The standard output, or a file beside `name` that takes its place once it is whole."""
    if not name:
        yield sys.stdout.buffer
        return
    path = Path(name)
    part = path.with_name(f"{path.name}.part")
    try:
        if path.suffix == ".gz":
            with gzip.open(part, "wb") as zipped:
                yield cast(BinaryIO, zipped)
        else:
            with part.open("wb") as plain:
                yield plain
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _read_since(text: str, stream: Stream) -> datetime | None:
    """A time, or where a day begins in the stream's zone."""
    if not text:
        return None
    zone = ZoneInfo(stream.time_zone)
    try:
        moment, day = parse_datetime(text), parse_date(text)
    except ValueError:
        moment = day = None
    if day is not None:
        return datetime.combine(day, time(), zone)
    if moment is None:
        raise CommandError(f"--since {text}: write 2026-01-31 or 2026-01-31T12:00:00Z.")
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
