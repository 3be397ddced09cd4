"""Sealed secrets: read with any of the keys, sealed with the first, changed without a pause."""

import io
from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from reviewqueue.sealing import SealError, seal, unseal
from reviewqueue.webhook_models import Webhook
from reviewqueue.webhook_signatures import PREFIX, make_secret
from reviewqueue.webhooks import ping_webhook, rotate_secret
from routing.models import Stream
from tests.scenes import make_person

migration = import_module("reviewqueue.migrations.0009_seal_webhooks")


def stored() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_secret, sealed_previous FROM reviewqueue_webhook ORDER BY id")
        return [(row[0], row[1]) for row in cursor.fetchall()]


def make_webhook(stream: Stream) -> Webhook:
    return Webhook.objects.create(stream=stream, url="https://hooks.invalid/")


def test_sealed_text_is_another_each_time_and_opens() -> None:
    tokens = [seal("whsec_x"), seal("whsec_x")]
    assert tokens[0] != tokens[1]
    assert [unseal(token) for token in tokens] == ["whsec_x", "whsec_x"]
    assert len(seal(make_secret())) < 300


def test_changed_token_does_not_open() -> None:
    token = seal("whsec_x")
    with pytest.raises(SealError, match="None of WEBHOOK_KEYS opens the secret; add the key"):
        unseal(token[:-4] + "AAA=")


def test_what_was_sealed_for_one_purpose_opens_for_no_other() -> None:
    with pytest.raises(SealError):
        unseal(seal("whsec_x"), "second factors")


def test_secret_stands_nowhere_in_the_database(stream: Stream) -> None:
    webhook = make_webhook(stream)
    rotate_secret(webhook_id=webhook.id, by=make_person("ann", stream, "stream_admin"))
    assert PREFIX not in str(stored())
    webhook.refresh_from_db()
    assert (webhook.secret[:6], webhook.previous_secret[:6]) == (PREFIX, PREFIX)


def test_key_is_changed_without_a_pause(stream: Stream, settings: Settings) -> None:
    settings.WEBHOOK_KEYS = ["old"]
    webhook = make_webhook(stream)
    rotate_secret(webhook_id=webhook.id, by=make_person("ann", stream, "stream_admin"))
    webhook.refresh_from_db()
    secrets = (webhook.secret, webhook.previous_secret)
    settings.WEBHOOK_KEYS = ["new", "old"]
    assert (webhook.secret, webhook.previous_secret) == secrets
    output = io.StringIO()
    call_command("reseal_webhooks", stdout=output)
    assert output.getvalue().splitlines() == [
        "1 webhook was sealed anew.",
        "0 second factors were sealed anew.",
    ]
    settings.WEBHOOK_KEYS = ["new"]
    webhook.refresh_from_db()
    assert (webhook.secret, webhook.previous_secret) == secrets


def test_secret_that_no_key_opens_is_named_and_can_be_renewed(
    stream: Stream, settings: Settings
) -> None:
    settings.WEBHOOK_KEYS = ["lost"]
    webhook = make_webhook(stream)
    settings.WEBHOOK_KEYS = ["new"]
    make_webhook(stream)
    before = stored()[0]
    with pytest.raises(CommandError, match=r"opens the secrets of https://hooks\.invalid/: add"):
        call_command("reseal_webhooks", stdout=io.StringIO())
    assert stored()[0] == before
    assert ping_webhook(webhook).error.startswith("its secret cannot be read: None of WEBHOOK_KEYS")
    secret = rotate_secret(webhook_id=webhook.id, by=make_person("ann", stream, "stream_admin"))
    webhook.refresh_from_db()
    assert (webhook.secret, webhook.previous_secret, webhook.previous_until) == (secret, "", None)


def test_secrets_stored_as_they_were_are_sealed_once(stream: Stream) -> None:
    webhook, plain = make_webhook(stream), make_secret()
    Webhook.objects.update(sealed_secret=plain)
    migration.seal_all(apps, None)
    once = stored()
    migration.seal_all(apps, None)
    assert stored() == once
    webhook.refresh_from_db()
    assert (webhook.secret, webhook.previous_secret) == (plain, "")
    migration.open_all(apps, None)
    assert stored() == [(plain, "")]
