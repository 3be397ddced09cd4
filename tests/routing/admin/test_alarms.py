"""A policy's page and its stream's say which model versions the maps do not know."""

import pytest
from django.test import Client

from routing.models import Policy, Stream
from tests.routing.test_alarms import make_mapped_stream, post, publish_mapped


@pytest.fixture
def mapped(db: None) -> Stream:
    stream = make_mapped_stream()
    post(stream, "m2")
    return stream


def policy_page(client: Client, policy: Policy) -> str:
    return client.get(f"/admin/routing/policy/{policy.id}/change/").content.decode()


def stream_page(client: Client, stream: Stream) -> str:
    return client.get(f"/admin/routing/stream/{stream.id}/change/").content.decode()


WORDS = "Model version m2 has come since"


def test_policy_and_stream_say_what_to_do(root_client: Client, mapped: Stream) -> None:
    for page in (policy_page(root_client, mapped.policies.get()), stream_page(root_client, mapped)):
        assert page.count(WORDS) == 1
        assert "Recalibrate on m2&#x27;s labels" in page


def test_policy_keeps_its_alarm_and_the_stream_has_that_in_force(
    root_client: Client, mapped: Stream
) -> None:
    first = mapped.policies.get()
    second = publish_mapped(mapped, model_versions=["m1", "m2"])
    assert WORDS in policy_page(root_client, first)
    assert WORDS not in policy_page(root_client, second)
    assert WORDS not in stream_page(root_client, mapped)
