"""`manage.py import_items`: take in a file of items, gzipped or not."""

import gzip
import shutil
import sys
import tempfile
import zlib
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import ngettext
from tqdm import tqdm

from reviewqueue.files.columns import read_columns
from reviewqueue.files.opening import FORMATS, format_of, open_items
from reviewqueue.files.records import FileError, ItemFile, Record, RefusedFile, remove_refused
from reviewqueue.imports import (
    Counts,
    Refusal,
    add_categories,
    collect_categories,
    import_records,
    names_of_categories,
)
from reviewqueue.management.streams import find_stream
from routing.core.policy import PolicyError
from routing.models import Stream
from routing.policies import NoPolicyError

_STANDARD_INPUT = "-"
_GZIP_MAGIC = b"\x1f\x8b"
_SHOWN_REFUSALS = 100
_Open = Callable[[BufferedReader], ItemFile]


class Command(BaseCommand):
    """Import the items of a file into a stream."""

    help = (
        "Takes in a file of items: JSON lines as the API takes them, CSV or Label Studio's JSON, "
        "and the truth where it is known. Run again after an interruption, it goes on where it "
        "was. What is refused is written to FILE.errors, to be mended and imported again. "
        "The formats stand in docs/files.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("stream", help="key of the stream")
        parser.add_argument("file", help="the file, may be gzipped; - reads the input")
        parser.add_argument(
            "--format", choices=FORMATS, help="what the file is; by default its name tells"
        )
        parser.add_argument(
            "--delimiter", default="", help="what stands between a CSV's cells; is found out"
        )
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="NAME=FIELD",
            help="which field a CSV's column is, such as body=payload.body; empty leaves it out",
        )
        parser.add_argument("--text", default="", help="the CSV's column that is read: the text")
        parser.add_argument(
            "--errors",
            default="",
            help="where refused lines go; by default a file beside it, FILE.errors",
        )
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
            help="every item brings its truth, which becomes ground truth: nobody is asked",
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Import; exit code 1 if an item was refused."""
        file: str = options["file"]
        creates = options["create_categories"] or options["create_stream"]
        try:
            with _open_file(file, rewinds=creates) as raw:
                known = Stream.objects.filter(key=options["stream"]).first()
                opens = _opener(options, names_of_categories(known) if known else {})
                keys = collect_categories(_read(raw, opens, "Categories")[1]) if creates else []
                with transaction.atomic():
                    found = _find_or_create(options["stream"], create=options["create_stream"])
                    if creates:
                        self._add_categories(found, keys, file)
                items, records = _read(raw, opens, "Items")
                counts = self._import(found, items, records, options)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CommandError(
                f"{file} is damaged: {error}. What was read before that was taken in."
            ) from error
        except FileError as error:
            raise CommandError(f"{file}: {error}") from error
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

    def _import(
        self, stream: Stream, items: ItemFile, records: Iterator[Record], options: dict[str, Any]
    ) -> Counts:
        shown = 0
        path = _path_of_errors(options, items)
        with _closing_target(path) as make:
            refused = RefusedFile(items, make) if make else None

            def tell(refusal: Refusal) -> None:
                nonlocal shown
                shown += 1
                if refused:
                    refused.add(refusal.record, str(refusal))
                if shown <= _SHOWN_REFUSALS:
                    with tqdm.external_write_mode(file=sys.stderr):
                        self.stderr.write(str(refusal))
                elif shown == _SHOWN_REFUSALS + 1:
                    self.stderr.write("More lines are refused and only counted.")

            try:
                counts = import_records(
                    stream=stream, records=records, with_truth=options["truth"], on_refusal=tell
                )
            except NoPolicyError as error:
                raise CommandError(
                    f"{stream.key} has no published policy: publish one in the admin, "
                    "or add --create-categories."
                ) from error
            finally:
                if refused and refused.end():
                    self.stdout.write(f"Refused lines are in {path}: mend and import them.")
        if path and not counts.refused:
            self._remove_earlier(path)
        return counts

    def _remove_earlier(self, path: Path) -> None:
        """What an earlier import refused has been mended, or the file would refuse it again."""
        try:
            if remove_refused(path):
                self.stdout.write(f"Nothing was refused: {path} of an earlier import was removed.")
        except OSError as error:
            self.stderr.write(f"{path} of an earlier import cannot be removed: {error.strerror}.")


def _opener(options: dict[str, Any], names: Mapping[str, str]) -> _Open:
    """How to read the file's items, unzipped as they are."""
    columns = {options["text"]: "payload.text"} if options["text"] else {}
    try:
        columns |= read_columns(options["column"])
    except FileError as error:
        raise CommandError(f"--column {error}") from error
    delimiter = options["delimiter"].replace("\\t", "\t")
    if len(delimiter) > 1:
        raise CommandError(f"--delimiter {delimiter}: give one character, or \\t for a tab.")
    chosen = options["format"] or format_of(options["file"])

    def open_source(source: BufferedReader) -> ItemFile:
        return open_items(
            source, format_name=chosen, delimiter=delimiter, columns=columns, names=names
        )

    return open_source


def _path_of_errors(options: dict[str, Any], items: ItemFile) -> Path | None:
    """Where refused records go: beside the file; nowhere if it is the input and none is given."""
    if options["errors"]:
        path = Path(options["errors"])
        if options["file"] != _STANDARD_INPUT and path.resolve() == Path(options["file"]).resolve():
            raise CommandError(f"--errors {path}: is the file itself; name another.")
        return path
    if options["file"] == _STANDARD_INPUT:
        return None
    file = Path(options["file"])
    stem = file.with_suffix("") if file.suffix == ".gz" else file
    return stem.with_name(f"{stem.stem}.errors{items.suffix}")


@contextmanager
def _closing_target(path: Path | None) -> Iterator[Callable[[], BinaryIO] | None]:
    """Something that makes the file when it is wanted; it is closed at the end."""
    opened: list[BinaryIO] = []

    def make() -> BinaryIO:
        assert path is not None  # noqa: S101 - for the type checker
        try:
            opened.append(path.open("wb"))
        except OSError as error:
            raise CommandError(
                f"{path} cannot be written: {error.strerror}; say where with --errors."
            ) from error
        return opened[0]

    try:
        yield make if path else None
    finally:
        for file in opened:
            file.close()


def _find_or_create(key: str, *, create: bool) -> Stream:
    if not create:
        return find_stream(key, besides=" Create it with --create-stream.")
    found = Stream.objects.filter(key=key).first()
    if found is not None:
        return found
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


def _read(raw: BufferedReader, opens: _Open, what: str) -> tuple[ItemFile, Iterator[Record]]:
    """The items of `raw`, unzipped if need be, and the same with a progress bar on a terminal."""
    size = _size_of(raw)
    is_zipped = raw.peek(2)[:2] == _GZIP_MAGIC
    source = cast(BufferedReader, gzip.GzipFile(fileobj=raw)) if is_zipped else raw
    items = opens(source)

    def watched() -> Iterator[Record]:
        unit = " items" if size is None else "B"
        with tqdm(total=size, unit=unit, unit_scale=True, desc=what, disable=None) as bar:
            for number, record in enumerate(items, start=1):
                yield record
                bar.update(1 if size is None else raw.tell() - bar.n)
                if size is not None:
                    _show_pace(bar, number)

    return items, watched()


def _show_pace(bar: "tqdm[Any]", number: int) -> None:
    """Items, and items a second, beside the bytes."""
    elapsed = bar.format_dict["elapsed"] if not bar.disable and number % 1_000 == 0 else 0
    if elapsed:
        bar.set_postfix_str(f"{number:,} items, {number / elapsed:,.0f} a second", refresh=False)


def _size_of(raw: BufferedReader) -> int | None:
    if not raw.seekable():
        return None
    size = raw.seek(0, 2)
    raw.seek(0)
    return size
