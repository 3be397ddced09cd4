"""Storing items: batches of the same ids do not get in each other's way."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone

from routing.items import Post, insert_items
from routing.models import Item
from tests.scenes import make_bare_stream


@pytest.mark.django_db(transaction=True)
def test_batches_in_opposite_order_do_not_lock_each_other_out() -> None:
    stream = make_bare_stream()
    posts = [Post(f"{number:05}", {}, {"vpn_issue": 1.0}) for number in range(2_000)]
    start = Barrier(2)

    def insert(batch: list[Post]) -> int:
        start.wait()
        try:
            ids = insert_items(
                stream_id=stream.id,
                posts=batch,
                states=[Item.State.ROUTED] * len(batch),
                received_at=timezone.now(),
            )
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
    ids = insert_items(
        stream_id=stream.id,
        posts=posts,
        states=[Item.State.ROUTED] * len(posts),
        received_at=timezone.now(),
    )

    assert [item_id is not None for item_id in ids] == [True, True, False, False]
    assert list(Item.objects.order_by("external_id").values_list("payload__n", flat=True)) == [1, 0]
