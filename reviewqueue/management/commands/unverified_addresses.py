"""`manage.py unverified_addresses`: who holds an address that the directory never verified."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand
from django.utils.translation import ngettext

from reviewqueue.accounts import forget_addresses, people_at_unverified_addresses


class Command(BaseCommand):
    help = (
        "List accounts that a directory made with an address that it did not call verified. "
        "Whoever proves to own that address would enter the account. --forget empties the "
        "addresses; the accounts stay, and the directory's own id still leads there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which accounts, and whether anything is changed."""
        parser.add_argument("names", nargs="*", help="only these user names; all by default")
        parser.add_argument("--forget", action="store_true", help="empty the addresses")

    def handle(self, *_args: object, names: list[str], forget: bool, **_options: object) -> None:
        """List, or empty."""
        people = people_at_unverified_addresses()
        if names:
            people = people.filter(username__in=names)
        if not forget:
            for person in people.order_by("username"):
                self.stdout.write(f"{person.username}: {person.email}")
            return
        count = forget_addresses(people)
        words = ngettext("%d address was forgotten", "%d addresses were forgotten", count)
        self.stdout.write(words % count)
