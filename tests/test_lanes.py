import pytest

from tests.lanes import redis_of_lane


@pytest.mark.parametrize(
    ("url", "lane", "expected"),
    [
        ("unix:///tmp/x/redis.sock?db=0", "gw1", "unix:///tmp/x/redis.sock?db=1"),
        ("unix://:secret@/tmp/redis.sock", "gw3", "unix://:secret@/tmp/redis.sock?db=3"),
        ("redis://cache.example:6380/0", "gw1", "redis://cache.example:6380/1"),
        ("redis://cache.example:6380/5", "", "redis://cache.example:6380/5"),
    ],
)
def test_each_lane_has_a_redis_database_of_its_own(url: str, lane: str, expected: str) -> None:
    assert redis_of_lane(url, lane) == expected
