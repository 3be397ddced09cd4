"""The examples run as they stand, against a real server."""

import os
import subprocess
import sys

import pytest
from pytest_django.live_server_helper import LiveServer

from reviewqueue.access import issue_api_key
from reviewqueue.embedded.processes import PROJECT
from reviewqueue.retries import request_retry
from routing.models import Item, Stream
from tests.grounded_scenes import make_grounded_stream
from tests.scenes import make_bare_stream, publish, publish_worked_policy


def run_example(name: str, stream: Stream, url: str) -> str:
    _, key = issue_api_key(name=name, streams=[stream])
    done = subprocess.run(
        [sys.executable, str(PROJECT / "examples" / name)],
        env=os.environ
        | {
            "PYTHONPATH": str(PROJECT / "clients" / "python"),
            "REVIEWQUEUE_URL": url,
            "REVIEWQUEUE_KEY": key,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("transactional_db")
def test_digits_are_posted_once(live_server: LiveServer) -> None:
    stream = make_bare_stream("digits", categories=[str(digit) for digit in range(10)])
    publish(stream)
    said = [run_example("digits.py", stream, str(live_server.url)) for _ in range(2)]
    counts = dict(part.split() for part in _pairs(said[0]))

    assert said[1] == said[0]
    assert sum(int(count) for count in counts.values()) == 297
    assert int(counts["act"]) > 200
    assert Item.objects.count() == 297


def _pairs(line: str) -> list[str]:
    words = line.split()
    return [f"{action} {count}" for action, count in zip(words[::2], words[1::2], strict=True)]


@pytest.mark.usefixtures("transactional_db")
def test_language_model(live_server: LiveServer) -> None:
    stream = make_bare_stream("helpdesk-policy")
    publish_worked_policy(stream)

    assert run_example("logprobs.py", stream, str(live_server.url)).splitlines() == [
        "LLM-1 act account_unlock: sure enough",
        "LLM-2 wait vpn_issue: confidence 0.52 under 0.72; margin 0.08 under 0.30; "
        "entropy 0.74 over 0.45",
        "LLM-3 wait security_incident: entropy 0.68 over 0.45; security_incident 0.69 reaches 0.34",
    ]


@pytest.mark.usefixtures("transactional_db")
def test_drafting_engine_and_its_retries(live_server: LiveServer) -> None:
    stream = make_grounded_stream("drafts", freshness_days=365)
    url = str(live_server.url)
    first = [
        "1 green: A file of up to 20 MB can be imported. [files#limits]",
        "2 amber: CSV files and JSON lines can be imported, and so can Label Studio's JSON. "
        "[files#formats]",
        "3 refused: (no confident source)",
        "4 refused: (no confident source)",
    ]
    for _ in range(2):
        assert run_example("drafts.py", stream, url).splitlines() == first

    for place, how in ((3, "widen"), (4, "rewrite")):
        item = Item.objects.get(external_id=f"example-letter-{place}")
        request_retry(item_id=item.id, person=None, how=how)
    for _ in range(2):
        third, fourth = run_example("drafts.py", stream, url).splitlines()[2:]
        assert third.startswith(
            "3 amber: For 24 hours after a renewal messages carry both signatures. "
            "[webhooks#secret] (the cited block is "
        )
        assert fourth == "4 green: An import that was stopped is run again. [files#stopped]"
    again = Item.objects.filter(retry_of__isnull=False).order_by("position")
    assert list(again.values_list("external_id", "retry_of__external_id", "draft")) == [
        ("example-letter-3-again", "example-letter-3", "example-letter"),
        ("example-letter-4-again", "example-letter-4", "example-letter"),
    ]
