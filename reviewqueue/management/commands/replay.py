"""`manage.py replay STREAM [--since DATE]`: make every stored decision again and compare."""

from argparse import ArgumentParser
from datetime import datetime, time
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_date, parse_datetime
from tqdm import tqdm

from reviewqueue.management.streams import find_stream
from routing.replays import Difference, replay_decisions, stream_decisions

_USAGE = 2


class Command(BaseCommand):
    """Replay a stream's decisions and print what does not come out again."""

    help = (
        "Makes every stored decision of a stream again from what is stored with it and prints "
        "each field that differs. Changes nothing. Exit code 1 if any decision differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("stream", help="the stream's key")
        parser.add_argument(
            "--since",
            default="",
            metavar="DATE",
            help="only decisions from then on: 2026-11-22, or 2026-11-22T14:30, in the stream's "
            "time zone unless it names another",
        )

    def handle(self, *_args: object, stream: str, since: str, **_options: object) -> None:
        """Replay and print; exit code 1 if anything differs."""
        found = find_stream(stream, returncode=_USAGE)
        begin = _read_time(since, ZoneInfo(found.time_zone)) if since else None
        total = stream_decisions(stream=found, since=begin).count()
        with tqdm(total=total, unit=" decisions", desc=stream, disable=None) as bar:
            done = replay_decisions(
                stream=found, since=begin, report=self._print, advance=bar.update
            )
        self.stdout.write(f"{done.decisions:,} decisions replayed, {done.differing:,} differ")
        if done.differing:
            raise CommandError(
                "Stored decisions differ from what their policies make of the same items: rows "
                "were changed past the database's guards, or the rules have changed since."
            )

    def _print(self, difference: Difference) -> None:
        with tqdm.external_write_mode():
            self.stdout.write(str(difference))


def _read_time(text: str, zone: ZoneInfo) -> datetime:
    """A date's midnight or a time.

    Raises:
        CommandError: it is neither.
    """
    try:
        day = parse_date(text)
        found = datetime.combine(day, time.min) if day else parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(
            f"--since is {text!r}; give a date as in 2026-11-22 or a time as in 2026-11-22T14:30.",
            returncode=_USAGE,
        )
    return found if found.tzinfo else found.replace(tzinfo=zone)
