"""A stream with labels of today, and the analyst who looks at it."""

import json
from collections.abc import Mapping

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from reviewqueue.insight import (
    budget,
    drifting,
    health,
    mixups,
    reliability,
    reviewers,
    trials,
)
from reviewqueue.insight.drawing import draw
from reviewqueue.insight.making import make_next
from reviewqueue.models import ReviewTask
from routing.models import Stream
from tests import scenes
from tests.calibration.cohorts import label_items, make_audited_stream, post_items
from tests.scenes import KEYS

_drawn: dict[str, dict[str, str]] = {}


@pytest.fixture(autouse=True)
def _drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real drawings, but each only once in all these tests: a start of the engine takes 1 s."""

    def draw_once(documents: Mapping[str, object]) -> dict[str, str]:
        name = json.dumps(documents, sort_keys=True)
        if name not in _drawn:
            _drawn[name] = draw(documents)
        return _drawn[name]

    for maker in (budget, drifting, health, mixups, reliability, reviewers, trials):
        monkeypatch.setattr(maker, "draw", draw_once)


def add_labels(
    stream: Stream, size: int, *, right: int, confidence: float, predicted: str = KEYS[0]
) -> None:
    """Items of today with a label each."""
    made = post_items(stream, size, confidence=confidence, predicted=predicted, at=timezone.now())
    label_items(made, right=right)
    ReviewTask.objects.filter(decision__in=made).delete()


def make_sheets() -> None:
    """What the worker does once it is rung for."""
    while make_next():
        pass


@pytest.fixture
def stream(db: None) -> Stream:
    """60 at .95 with 51 right, and 40 at .75 with 20 right, of another category."""
    made = make_audited_stream(audit_rate=0.0)
    add_labels(made, 60, right=51, confidence=0.95)
    add_labels(made, 40, right=20, confidence=0.75, predicted=KEYS[1])
    return made


@pytest.fixture
def analyst(stream: Stream) -> User:
    return scenes.make_person("ana", stream, "analyst")


@pytest.fixture
def plain(analyst: User) -> Client:
    client = Client()
    client.force_login(analyst)
    return client


@pytest.fixture
def htmx(analyst: User) -> Client:
    client = Client(headers={"HX-Request": "true"})
    client.force_login(analyst)
    return client
