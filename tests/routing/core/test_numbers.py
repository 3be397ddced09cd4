"""Numbers of a sentence that stand in no block."""

import pytest

from routing.core.numbers import find_unsupported
from tests.processor import spend


def unsupported(sentence: str, *sources: str) -> list[str]:
    return [sentence[span.start : span.end] for span in find_unsupported(sentence, sources)]


@pytest.mark.parametrize(
    ("sentence", "source"),
    [
        ("It costs 1,234.50 a year.", "1234.5 per year"),
        ("About 1.2 million people.", "1,200,000 people"),
        ("It is 3bn.", "3 billion"),
        ("A file of 1.5k lines.", "1,500 lines"),
        ("A cable of 5m.", "a 5 metre cable"),
        ("Up by 12%.", "12 percent more"),
        ("Up by 12 per cent.", "a share of 0.12"),
        ("A rate of 0.05.", "5% of them"),
        ("It costs $1.5k.", "USD 1,500"),
        ("It costs EUR 20.", "20 euros"),
        ("It costs €20.", "a price of 20"),
        ("On 3 March 2026.", "2026-03-03"),
        ("On March 3rd, 2026.", "3 Mar 2026"),
        ("On 03/04/2026.", "3 April 2026"),
        ("On 03/04/2026.", "March 4, 2026"),
        ("In March 2026.", "2026-03-03"),
        ("On the 3rd of May.", "May 3, 2026"),
        ("In 2026.", "on 2026-03-03"),
        ("There are three of them.", "3 of them"),
        ("There are 3 of them.", "three of them"),
        ("At 12:30.", "until 12:30"),
        ("Since version 1.2.3.", "1.2.3 brought it"),
        ("See RFC9457.", "RFC 9457"),
        ("From 10-20 days.", "10 to 20 days"),
        ("It fell by -5.", "by 5"),
        ("One of them fails.", "some fail"),
        ("Nothing to count.", ""),
    ],
)
def test_number_that_stands_in_a_block_is_found(sentence: str, source: str) -> None:
    assert unsupported(sentence, "nothing here", source) == []


@pytest.mark.parametrize(
    ("sentence", "source", "expected"),
    [
        ("At most 12 MB.", "at most 10 MB", ["12"]),
        ("Up by 12%.", "12 users", ["12%"]),
        ("It costs $20.", "20 euros", ["$20"]),
        ("It costs 1,234.5 dollars.", "1,234 dollars", ["1,234.5 dollars"]),
        ("On 3 March 2026.", "on 4 March 2026", ["3 March 2026"]),
        ("On 3 March 2026.", "every 3 March", ["3 March 2026"]),
        ("On 31 February 2026.", "on 28 February 2026", ["31 February 2026"]),
        ("Since 1.2.3.", "since 1.2.4", ["1.2.3"]),
        ("Two of 7 fail.", "3 of 7 fail", ["Two"]),
        ("At 12:30 and 13:30.", "at 12:30", ["13:30"]),
        ("3 or 4 or 5", "4", ["3", "5"]),
        ("A third: 33.", "", ["33"]),
    ],
)
def test_number_that_stands_in_no_block_is_told(
    sentence: str, source: str, expected: list[str]
) -> None:
    assert unsupported(sentence, source) == expected


def test_number_too_long_to_be_one_is_compared_as_it_stands() -> None:
    digits = "7" * 60

    assert unsupported(f"id {digits}", f"id {digits}") == []
    assert unsupported(f"id {digits}", f"id {digits}8") == [digits]


@pytest.mark.parametrize(
    "piece", ["1", "1,", "1.1", "111,", "12 march ", " ", "$", "may ", "us$ ", "1 of ", "one "]
)
def test_time_grows_with_the_length_of_a_hostile_text(piece: str) -> None:
    def spend_on(length: int) -> float:
        text = piece * (length // len(piece))
        return spend(lambda: find_unsupported(text, [text]))

    spend_on(1_000)
    short = min(spend_on(10_000) for _ in range(3))
    long = min(spend_on(80_000) for _ in range(2))

    assert long < 40 * max(short, 0.002)
