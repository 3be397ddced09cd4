"""The demo's adjudicator has a dispute from the start."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from reviewqueue.demo import Prediction
from reviewqueue.demo.disputes import dispute_one
from reviewqueue.demo.logins import prepare_demo
from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes

PREDICTION = Prediction(
    external_id="HD-1",
    payload={"subject": "No tunnel"},
    scores={"vpn_issue": 0.5, "account_unlock": 0.3, "software_install": 0.2},
    truth="account_unlock",
    also=(),
    model_version="test",
)


@pytest.fixture
def helpdesk(db: None, tmp_path: Path) -> Stream:
    prepare_demo(path=tmp_path / "demo.json", url="")
    return Stream.objects.get(key="helpdesk")


@pytest.mark.parametrize("double_rate", [0.0, 1.0])
def test_adjudicator_finds_two_differing_answers(helpdesk: Stream, double_rate: float) -> None:
    helpdesk.categories.update(double_rate=None)
    # A tenth of the demo's held items is drawn to be judged blind, and no dispute is made of those.
    Stream.objects.filter(id=helpdesk.id).update(double_rate=double_rate, blind_rate=0.0)
    helpdesk.refresh_from_db()
    scenes.post(helpdesk, "HD-1", scores=PREDICTION.scores, payload=PREDICTION.payload)
    assert dispute_one(helpdesk, [PREDICTION]) is True
    answers = Verdict.objects.order_by("id").values_list("categories", "reviewer__username")
    assert list(answers) == [
        (["account_unlock"], "simulated-amal"),
        (["vpn_issue"], "simulated-bela"),
    ]
    seats = ReviewTask.objects.order_by("seat").values_list("queue", "state")
    assert list(seats) == [
        ("hold", "answered"),
        ("hold", "answered"),
        ("adjudication", "open"),
    ]
    client = Client()
    client.force_login(User.objects.get(email="adjudicator@demo.invalid"))
    page = client.get("/streams/helpdesk/adjudication/").content.decode()
    assert page.count('class="given"') == 2


def test_without_held_items_there_is_no_dispute(helpdesk: Stream) -> None:
    assert dispute_one(helpdesk, [PREDICTION]) is False
    assert Verdict.objects.count() == 0
