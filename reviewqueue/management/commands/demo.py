"""`manage.py demo`: streams, accounts and a key to try the product with, and items to review."""

import os
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from reviewqueue import variables
from reviewqueue.demo.logins import prepare_demo, read_note

_DEFAULT_URL = "http://127.0.0.1:8000"


class Command(BaseCommand):
    """Create the demo's streams, accounts and key, or fill its streams."""

    help = (
        "Creates the demo: --prepare its streams, accounts and API key, --load its items, with "
        "eight weeks of past. Either can be repeated."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--prepare", action="store_true", help="streams, accounts and API key")
        what.add_argument("--load", action="store_true", help="items, verdicts and measurements")
        parser.add_argument(
            "--url",
            default=variables.text("REVIEWQUEUE_URL"),
            help=f"where the product answers; by default as noted, else {_DEFAULT_URL}",
        )
        parser.add_argument("--only", default="", help="key of the one stream to load")

    def handle(self, *_args: object, load: bool, url: str, only: str, **_options: object) -> None:
        """Prepare, or load what was prepared."""
        path = settings.STATE_DIR / "demo.json"
        note = read_note(path)
        url = (url or (note["url"] if note else _DEFAULT_URL)).rstrip("/")
        if not load:
            prepare_demo(path=path, url=url)
            return
        if note is None:
            raise CommandError(f"{path} is missing: run `manage.py demo --prepare` first.")
        os.nice(10)  # whoever opens the first pages meanwhile comes first
        # Training needs packages that take a second to import; preparing must not wait for them.
        from reviewqueue.demo.load import load_demo  # noqa: PLC0415
        from reviewqueue.demo.upstream import UpstreamError  # noqa: PLC0415

        try:
            load_demo(url=url, api_key=note["api_key"], only=only)
        except UpstreamError as error:
            raise CommandError(str(error)) from error
