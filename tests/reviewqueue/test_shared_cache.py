"""The cache that all processes share."""

import threading
import time

import pytest
from django.core.cache import cache
from django.db import connection

from reviewqueue.shared_cache import drop_expired


def test_what_is_kept_is_read_until_it_expires(db: None) -> None:
    cache.set("a", [1.5, "x", True], 60)
    cache.set("b", 1, 0.05)
    assert (cache.get("a"), cache.get("b"), cache.get("c", "none")) == ([1.5, "x", True], 1, "none")
    time.sleep(0.06)
    assert cache.get("b") is None
    cache.set("a", 2)
    assert cache.get("a") == 2


def test_added_once_until_it_expires(db: None) -> None:
    assert [cache.add("a", number, 0.05) for number in (1, 2)] == [True, False]
    assert cache.get("a") == 1
    time.sleep(0.06)
    assert cache.add("a", 3, None) is True
    assert cache.get("a") == 3


def test_deleted_is_gone(db: None) -> None:
    cache.set("a", 1, 60)
    assert [cache.delete("a"), cache.delete("a")] == [True, False]
    cache.set_many({"a": 1, "b": 2})
    cache.clear()
    assert cache.get_many(["a", "b"]) == {}


def test_expired_is_dropped_and_the_rest_stays(db: None) -> None:
    cache.set("a", 1, 0)
    cache.set("b", 2, None)
    assert (drop_expired(), cache.get("b")) == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_adds_it() -> None:
    added: list[bool] = []
    start = threading.Barrier(8)

    def add() -> None:
        start.wait()
        added.append(cache.add("a", 1, 60))
        connection.close()

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [*[False] * 7, True]
