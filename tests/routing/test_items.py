"""Storing items: batches of the same ids do not get in each other's way."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from django.db import connections
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from routing.items import PROBES, Post, fingerprint, has_fingerprint, insert_items
from routing.models import Item, Stream
from tests.scenes import make_bare_stream


def insert_all(stream: Stream, posts: Sequence[Post]) -> list[UUID | None]:
    return insert_items(
        stream_id=stream.id,
        posts=posts,
        states=[Item.State.ROUTED] * len(posts),
        received_at=timezone.now(),
    )


@pytest.mark.django_db(transaction=True)
def test_batches_in_opposite_order_do_not_lock_each_other_out() -> None:
    stream = make_bare_stream()
    posts = [Post(f"{number:05}", {}, {"vpn_issue": 1.0}) for number in range(2_000)]
    start = Barrier(2)

    def insert(batch: list[Post]) -> int:
        start.wait()
        try:
            ids = insert_all(stream, batch)
        finally:
            connections.close_all()
        return len(ids) - ids.count(None)

    with ThreadPoolExecutor(2) as threads:
        stored = list(threads.map(insert, (posts, posts[::-1])))
    assert sum(stored) == Item.objects.count() == len(posts)


@pytest.mark.django_db
def test_first_of_two_posts_with_one_id_is_stored() -> None:
    stream = make_bare_stream()
    posts = [Post(name, {"n": n}, {"vpn_issue": 1.0}) for n, name in enumerate("baba")]
    ids = insert_all(stream, posts)

    assert [item_id is not None for item_id in ids] == [True, True, False, False]
    assert list(Item.objects.order_by("external_id").values_list("payload__n", flat=True)) == [1, 0]


@pytest.mark.django_db
@pytest.mark.parametrize("known", [{0}, {1}, set(range(100)), set(range(0, 100, 7)), {99}])
def test_known_ids_of_a_batch_are_left_alone(known: set[int]) -> None:
    """Whether or not they are among the few that are asked for first."""
    stream = make_bare_stream()
    posts = [Post(f"{number:05}", {"n": number}, {"vpn_issue": 1.0}) for number in range(100)]
    assert len(posts) > PROBES
    insert_all(stream, [Post(posts[n].external_id, {"n": -1}, {"vpn_issue": 1.0}) for n in known])

    ids = insert_all(stream, posts)

    assert {n for n, item_id in enumerate(ids) if item_id is None} == known
    stored = Item.objects.order_by("external_id").values_list("payload__n", flat=True)
    assert list(stored) == [-1 if n in known else n for n in range(100)]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**17), 10**17)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=5), VALUES)
def test_fingerprint_knows_what_is_meant_and_nothing_else(
    payload: dict[str, object], other: object
) -> None:
    post = Post("T-1", payload, {"vpn_issue": 1.0})
    same = Post("T-1", dict(reversed(payload.items())), {"vpn_issue": 1})
    changed = Post("T-1", {**payload, "added": other}, {"vpn_issue": 1.0})

    assert fingerprint(post) == fingerprint(same)
    assert has_fingerprint(same, fingerprint(post))
    assert "added" in payload or not has_fingerprint(changed, fingerprint(post))


def test_fingerprint_of_an_earlier_version_is_known() -> None:
    """Written out, as it was made before numbers were written otherwise."""
    post = Post("T-1", {"tiny": 1e-5}, {"vpn_issue": 0.99999, "account_unlock": 1e-05})
    before = hashlib.sha256(
        b'{"due_at":null,"external_id":"T-1","metadata":{},"model_version":"",'
        b'"payload":{"tiny":1e-05},"priority":0,'
        b'"scores":{"account_unlock":1e-05,"vpn_issue":0.99999},"secondary":{},"signals":{}}'
    ).digest()

    assert fingerprint(post) != before
    assert has_fingerprint(post, before)
    assert not has_fingerprint(Post("T-1", {"tiny": 1e-6}, post.scores), before)
