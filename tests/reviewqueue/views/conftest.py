"""A stream, its reviewer and their browsers, with and without HTMX."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from routing.models import Stream
from tests import scenes


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream()


@pytest.fixture
def reviewer(stream: Stream) -> User:
    person = scenes.make_person("rita")
    scenes.join(person, stream)
    return person


@pytest.fixture
def plain(reviewer: User) -> Client:
    """A plain browser: whole pages and redirects."""
    client = Client()
    client.force_login(reviewer)
    return client


@pytest.fixture
def htmx(reviewer: User) -> Client:
    """A browser whose script asks: partials, status codes, headers."""
    client = Client(headers={"HX-Request": "true"})
    client.force_login(reviewer)
    return client
