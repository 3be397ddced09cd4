"""`manage.py reseal_webhooks`: seal all stored secrets under the first of WEBHOOK_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext

from reviewqueue.second_factors import reseal_second_factors
from reviewqueue.webhooks import reseal_webhooks


class Command(BaseCommand):
    """Seal stored secrets anew."""

    help = (
        "Seals the secrets of all webhooks and second factors under the first of WEBHOOK_KEYS. Put "
        "a new key first and keep the old one behind it, restart, run this, then take the old one "
        "away."
    )

    def handle(self, *_args: object, **_options: Any) -> None:
        """Seal, and name the people or the webhooks whose secrets no key opens."""
        done, closed = reseal_webhooks()
        self.stdout.write(
            ngettext("%d webhook was sealed anew.", "%d webhooks were sealed anew.", done) % done
        )
        factors, locked_out = reseal_second_factors()
        self.stdout.write(
            ngettext(
                "%d second factor was sealed anew.", "%d second factors were sealed anew.", factors
            )
            % factors
        )
        if locked_out:
            raise CommandError(
                f"No key opens the second factors of {', '.join(sorted(set(locked_out)))}: add the "
                "key that sealed them to WEBHOOK_KEYS, or remove them in the admin."
            )
        if closed:
            raise CommandError(
                f"No key opens the secrets of {', '.join(str(webhook) for webhook in closed)}: add "
                "the key that sealed them to WEBHOOK_KEYS, or renew them in the admin."
            )
