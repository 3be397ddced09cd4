"""`manage.py import_items`: take in a file of items, JSON lines, gzipped or not."""

import gzip
import shutil
import sys
import tempfile
import zlib
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import cast

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import ngettext
from tqdm import tqdm

from reviewqueue.imports import (
    Counts,
    Line,
    Refusal,
    add_categories,
    collect_categories,
    import_lines,
    read_lines,
)
from routing.core.policy import PolicyError
from routing.models import Stream
from routing.policies import NoPolicyError

_STANDARD_INPUT = "-"
_GZIP_MAGIC = b"\x1f\x8b"
_SHOWN_REFUSALS = 100


class Command(BaseCommand):
    """Import the items of a file into a stream."""

    help = (
        'Takes in a file of items, one JSON object a line: {"external_id", "payload" or "text", '
        '"scores", ...} as the API takes them, and "truth" where it is known. Run again after an '
        "interruption, it goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("stream", help="key of the stream")
        parser.add_argument("file", help="a file of JSON lines, may be gzipped; - reads the input")
        parser.add_argument(
            "--create-categories",
            action="store_true",
            help="add the categories that the scores name, and publish a policy that knows them",
        )
        parser.add_argument(
            "--create-stream",
            action="store_true",
            help="create the stream if it is missing; implies --create-categories",
        )
        parser.add_argument(
            "--truth",
            action="store_true",
            help="every line brings its truth, which becomes ground truth: nobody is asked",
        )

    def handle(
        self,
        *_args: object,
        stream: str,
        file: str,
        create_categories: bool,
        create_stream: bool,
        truth: bool,
        **_options: object,
    ) -> None:
        """Import; exit code 1 if a line was refused."""
        creates = create_categories or create_stream
        try:
            with _open_file(file, rewinds=creates) as raw:
                keys = collect_categories(_read(raw, "Categories")) if creates else []
                with transaction.atomic():
                    found = _find_stream(stream, create=create_stream)
                    if creates:
                        self._add_categories(found, keys, file)
                counts = self._import(found, raw, with_truth=truth)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CommandError(
                f"{file} is damaged: {error}. What was read before that was taken in."
            ) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "Interrupted: what was taken in stays. Run it again to go on.", returncode=130
            ) from error
        self.stdout.write(f"{found}: {counts}")
        if counts.refused:
            raise CommandError(
                ngettext("%d line was refused.", "%d lines were refused.", counts.refused)
                % counts.refused
            )

    def _add_categories(self, stream: Stream, keys: Sequence[str], file: str) -> None:
        name = "the input" if file == _STANDARD_INPUT else Path(file).name
        try:
            added = add_categories(stream=stream, keys=keys, reason=f"Categories of {name}.")
        except PolicyError as error:
            raise CommandError(str(error)) from error
        if added:
            words = ngettext("%d category added", "%d categories added", len(added))
            self.stdout.write(f"{stream}: {words % len(added)}")

    def _import(self, stream: Stream, raw: BufferedReader, *, with_truth: bool) -> Counts:
        shown = 0

        def tell(refusal: Refusal) -> None:
            nonlocal shown
            shown += 1
            if shown <= _SHOWN_REFUSALS:
                with tqdm.external_write_mode(file=sys.stderr):
                    self.stderr.write(str(refusal))
            elif shown == _SHOWN_REFUSALS + 1:
                self.stderr.write("More lines are refused and only counted.")

        try:
            return import_lines(
                stream=stream, lines=_read(raw, "Items"), with_truth=with_truth, on_refusal=tell
            )
        except NoPolicyError as error:
            raise CommandError(
                f"{stream.key} has no published policy: publish one in the admin, "
                "or add --create-categories."
            ) from error


def _find_stream(key: str, *, create: bool) -> Stream:
    found = Stream.objects.filter(key=key).first()
    if found is not None:
        return found
    if not create:
        known = ", ".join(Stream.objects.order_by("key").values_list("key", flat=True))
        raise CommandError(
            f"There is no stream {key!r}: known are {known or 'none'}. "
            "Create it with --create-stream."
        )
    stream = Stream(key=key, name=key.replace("-", " ").capitalize())
    try:
        stream.full_clean()
    except ValidationError as error:
        raise CommandError(f"stream {key!r}: {' '.join(error.messages)}") from error
    stream.save()
    return stream


@contextmanager
def _open_file(name: str, *, rewinds: bool) -> Iterator[BufferedReader]:
    """The raw bytes; what has to be read twice and cannot be goes to disk first."""
    if name != _STANDARD_INPUT:
        try:
            raw = Path(name).open("rb")  # noqa: SIM115 - closed below
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
        with raw:
            yield raw
    elif rewinds:
        with tempfile.TemporaryFile() as spooled:
            shutil.copyfileobj(sys.stdin.buffer, spooled)
            yield cast(BufferedReader, spooled)
    else:
        yield cast(BufferedReader, sys.stdin.buffer)


def _read(raw: BufferedReader, what: str) -> Iterator[Line]:
    """The lines of `raw`, unzipped if need be, with a progress bar on a terminal."""
    size = _size_of(raw)
    is_zipped = raw.peek(2)[:2] == _GZIP_MAGIC
    source = gzip.GzipFile(fileobj=raw) if is_zipped else raw
    unit = " lines" if size is None else "B"
    with tqdm(total=size, unit=unit, unit_scale=True, desc=what, disable=None) as bar:
        for line in read_lines(source):
            yield line
            bar.update(1 if size is None else raw.tell() - bar.n)


def _size_of(raw: BufferedReader) -> int | None:
    if not raw.seekable():
        return None
    size = raw.seek(0, 2)
    raw.seek(0)
    return size
