"""`manage.py compare_policies STREAM OLD NEW`: two versions on the same stored items."""

from argparse import ArgumentParser
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from reviewqueue.management.streams import find_stream
from routing.core.policy import Policy as PolicySpec
from routing.core.reasons import CODES
from routing.models import Policy, Stream
from routing.policies import published_spec
from routing.previews import MOST_ITEMS, Change, Preview, preview_change

_EXAMPLES = 3


class Command(BaseCommand):
    """Route the newest items under two published policies and print what moves, and why."""

    help = (
        "Routes a stream's newest items under two published versions of its policy and prints how "
        "many go from where to where, by which rules, with examples. Stores nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("stream", help="the stream's key")
        parser.add_argument("old", type=int, help="version of the one policy")
        parser.add_argument("new", type=int, help="version of the other")
        parser.add_argument(
            "--last",
            type=int,
            default=MOST_ITEMS,
            metavar="N",
            help=f"how many of the newest items, {MOST_ITEMS:,} by default and at most",
        )

    def handle(
        self, *_args: object, stream: str, old: int, new: int, last: int, **_options: object
    ) -> None:
        """Compare and print."""
        if not 1 <= last <= MOST_ITEMS:
            raise CommandError(f"--last is {last}; give a number from 1 to {MOST_ITEMS:,}.")
        found = find_stream(stream)
        preview = preview_change(
            stream_id=found.id,
            before=_read_version(found, old),
            after=_read_version(found, new),
            examples=_EXAMPLES,
            most_items=last,
        )
        for line in _describe(preview, f"version {old}", f"version {new}"):
            self.stdout.write(line)


def _read_version(stream: Stream, version: int) -> PolicySpec:
    """A published policy.

    Raises:
        CommandError: the stream has no such version.
    """
    versions: dict[int | None, UUID] = dict(
        Policy.objects.published().filter(stream=stream).values_list("version", "id")
    )
    if version not in versions:
        known = ", ".join(str(each) for each in sorted(filter(None, versions))) or "none yet"
        raise CommandError(
            f"{stream.key} has no published version {version}; the versions are: {known}."
        )
    return published_spec(versions[version])


def _describe(preview: Preview, old: str, new: str) -> list[str]:
    """The totals, then a line for every change with its reasons and examples below it."""
    lines = [f"{preview.items:,} items, {preview.moved:,} move"]
    if preview.left_out:
        lines.append(f"{preview.left_out:,} more have scores that one of the two cannot read")
    lines += ["", f"{'':16}{old:>14}{new:>14}"]
    lines += [
        f"{action:16}{count:14,}{preview.after[action]:14,}"
        for action, count in preview.before.items()
    ]
    for change in preview.changes:
        lines += ["", *_describe_change(change)]
    return lines


def _describe_change(change: Change) -> list[str]:
    reasons = ", ".join(f"{CODES[cause]} {count:,}" for cause, count in change.causes)
    return [
        f"{change.before} -> {change.after}: {change.items:,}",
        f"  by {reasons or 'the reject action or the fallback chain'}",
        *(f"  {each.external_id}: {'; '.join(each.reasons)}" for each in change.examples),
    ]
