"""`manage.py open_audit [STREAM ...]`: the week's audit seats, now, not at the next sweep."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand
from django.utils import timezone

from reviewqueue.management.streams import no_stream
from reviewqueue.seats import open_audit_seats
from routing.models import Stream


class Command(BaseCommand):
    """Open the audit seats of this week where that was not done yet."""

    help = "Opens this week's audit seats of the given streams, by default of all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("streams", nargs="*", metavar="STREAM", help="keys of streams")

    def handle(self, *_args: object, streams: list[str], **_options: object) -> None:
        """Open them and print the counts."""
        found = list(Stream.objects.filter(key__in=streams) if streams else Stream.objects.all())
        unknown = sorted(set(streams) - {stream.key for stream in found})
        if unknown:
            raise no_stream(unknown[0], besides=" Nothing was opened.")
        for stream in found:
            done = open_audit_seats(stream=stream, at=timezone.now())
            outcome = "nothing to open, or done this week" if done is None else done.result
            self.stdout.write(f"{stream.key}: {outcome}")
