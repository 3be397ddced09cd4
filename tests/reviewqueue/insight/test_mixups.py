"""The ambiguity sheet: pairs and missing topics, in an invented stream and in a real one."""

from collections import Counter
from typing import cast
from uuid import UUID

import pytest
from django.utils import timezone

from reviewqueue.insight.figures import AmbiguityFigures
from reviewqueue.insight.mixups import make_ambiguity
from routing.models import Item
from tests import scenes
from tests.calibration.core.test_real_streams import needs_data
from tests.reviewqueue.insight.topics import (
    LACKING,
    Message,
    make_topic_stream,
    read_banking77,
    take_messages,
)
from tests.scenes import KEYS

pytestmark = pytest.mark.django_db

# Of each of these three no other intent of Banking77 takes in what it leaves.
WITHHELD = (
    ("lost_or_stolen_phone", "passcode_forgotten", "terminate_account"),
    ("automatic_top_up", "exchange_rate", "edit_personal_details"),
)


def test_pairs_and_missing_topics_are_found_with_their_words() -> None:
    made = make_ambiguity(make_topic_stream(), timezone.now())
    figures = cast(AmbiguityFigures, made.figures)
    assert (figures["labels"], figures["errors"], figures["fits_none"]) == (720, 20, 120)
    [pair] = [each for each in figures["pairs"] if each["labels"]]
    assert (pair["first"], pair["second"], pair["labels"], pair["share"]) == (*KEYS[:2], 20, 1.0)
    assert (pair["first_as_second"], pair["second_as_first"]) == (0.0, 1.0)
    assert (len(pair["examples_first"]), len(pair["examples_second"])) == (8, 0)
    topics = figures["clusters"][:3]
    assert [(each["size"], each["labelled"], each["none_fits"]) for each in topics] == [
        (40, 40, 40)
    ] * 3
    words = [set(each["terms"]) for each in topics]
    assert all(any(found <= set(known) for known in LACKING.values()) for found in words)
    assert (figures["map"], set(made.pictures)) == (list(KEYS[:2]), {"map"})


def test_scores_alone_name_close_pairs() -> None:
    stream = scenes.make_bare_stream()
    scenes.publish(stream)
    close = {KEYS[0]: 0.45, KEYS[2]: 0.40, KEYS[1]: 0.15}
    take_messages(stream, [Message("a", close, ""), Message("b", close, "")], label=False)
    made = make_ambiguity(stream, timezone.now())
    figures = cast(AmbiguityFigures, made.figures)
    [pair] = figures["pairs"]
    assert (pair["first"], pair["second"], pair["close"], pair["close_share"]) == (
        KEYS[0],
        KEYS[2],
        2,
        1.0,
    )
    assert (pair["labels"], pair["lift"], figures["errors"]) == (0, None, 0)
    assert (figures["clusters"], figures["reason"]) == ([], "0 texts, 20 are needed")
    assert made.pictures == {}


def test_stream_without_items_has_nothing() -> None:
    stream = scenes.make_bare_stream()
    scenes.publish(stream)
    figures = cast(AmbiguityFigures, make_ambiguity(stream, timezone.now()).figures)
    assert (figures["labels"], figures["items"], figures["pairs"]) == (0, 0, [])


@needs_data
def test_banking77_names_pairs_that_people_would_mix_up() -> None:
    categories, messages = read_banking77()
    stream = scenes.make_bare_stream(categories=categories)
    scenes.publish(stream)
    take_messages(stream, messages)
    made = make_ambiguity(stream, timezone.now())
    figures = cast(AmbiguityFigures, made.figures)
    assert (figures["labels"], figures["errors"]) == (3_080, 330)
    named = [(each["first"], each["second"], each["labels"]) for each in figures["pairs"][:3]]
    assert named == [
        ("top_up_failed", "top_up_reverted", 7),
        ("verify_my_identity", "why_verify_identity", 7),
        ("balance_not_updated_after_bank_transfer", "pending_transfer", 5),
    ]
    assert all((each["low"] or 0.0) > 2.5 for each in figures["pairs"][:10])


@needs_data
@pytest.mark.parametrize("withheld", WITHHELD)
def test_three_withheld_intents_of_banking77_are_found(withheld: tuple[str, ...]) -> None:
    categories, messages = read_banking77("train", withheld=withheld)
    stream = scenes.make_bare_stream(categories=categories)
    scenes.publish(stream)
    take_messages(stream, messages[::2], label=False)
    figures = cast(AmbiguityFigures, make_ambiguity(stream, timezone.now()).figures)
    about = {each.text: each.truth for each in read_banking77("train")[1]}
    found = set()
    for topic in figures["clusters"]:
        texts = Item.objects.filter(id__in=[UUID(item) for item in topic["members"]])
        said = Counter(about[text] for text in texts.values_list("payload__text", flat=True))
        [(truth, count)] = said.most_common(1)
        if count >= 0.7 * topic["size"]:
            found.add(truth)
    assert found & set(withheld) == set(withheld)
