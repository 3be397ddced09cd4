"""Keyword and regex rules: what they match, what is refused and why, and that they are quick."""

from collections.abc import Mapping

import pytest

from routing.core.keywords import LONGEST_TEXT, KeywordRule, KeywordRules, payload_text
from routing.core.maps import PolicyError
from tests.processor import spend


def matches(pattern: str, text: str, *, kind: str = "keyword") -> bool:
    rules = KeywordRules((KeywordRule("rule", kind, pattern, "spam", 0.9),))
    found = rules.match({"text": text})
    assert found in ((), ("rule",))
    return bool(found)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("vpn", "the vpn is down", True),
        ("vpn", "VPN", True),
        ("VPN", "my vpn.", True),
        ("vpn", "vpns", False),
        ("vpn", "openvpn", False),
        ("vpn", "vpn2", False),
        ("vpn", "vpn_client", False),
        ("vpn", "(vpn)/dns", True),
        ("vpn", "", False),
        ("vpn", "dns", False),
        ("üben", "Üben!", True),
        ("üben", "verüben", False),
        ("ben", "üben", False),
        ("straße", "Hauptstraße", False),
        ("straße", "die STRASSE", False),  # no letter is another's upper case in two
        ("мир", "Миру мир", True),
        ("東京", "東京", True),
        ("東京", "東京都", False),
        ("🔥", "all is 🔥🔥 here", True),
        ("🔥", "vpn🔥", True),
        ("vpn", "vpn🔥", True),
        ("e\u0301te", "\u00e9te", False),  # composed otherwise: other letters
        ("c++", "I write C++ and C", True),
        ("c++", "I write C", False),
        ("c++", "c++11", True),
        ("c++", "abc++", False),
        ("हिन", "हिन्दी", False),  # the mark belongs to the word
        ("हिन्दी", "यह हिन्दी है", True),
        (".*", "anything", False),
        ("50%", "now 50% off", True),
        ("password reset", "password\n\t  reset please", True),
        ("password reset", "password\u00a0reset", True),
        ("  password   reset ", "Password reset", True),
        ("password reset", "password a reset", False),
        ("not working", "it is not  working", True),
        ("x", "\x00x\x00", True),
        ("x", "\ud800 x", True),
    ],
)
def test_a_keyword_is_whole_words_in_any_case(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("err(or)?-[0-9]+", "ERROR-42", True),
        ("(?-i)VPN", "vpn", False),
        ("(?-i)VPN", "VPN", True),
        ("^vpn", "the vpn", False),
        ("^vpn", "vpn", True),
        ("down$", "it is down", True),
        (r"\bvpn\b", "the vpn.", True),
        ("ü.en", "ÜBEN", True),
        ("a|b", "b", True),
        (r"\p{Cyrillic}{3}", "Мир", True),
        ("a.b", "a\nb", False),
        ("(?s)a.b", "a\nb", True),
    ],
)
def test_a_regex_is_searched_for_in_any_case_unless_it_says_so(
    pattern: str, text: str, expected: bool
) -> None:
    assert matches(pattern, text, kind="regex") is expected


@pytest.mark.parametrize(
    ("fields", "message", "field"),
    [
        ({"kind": "glob"}, "r: kind is 'glob'; use keyword or regex", "kind"),
        ({"pattern": ""}, "r: the pattern is empty; give the words to look for", "pattern"),
        ({"pattern": " \n"}, "r: the pattern is empty; give the words to look for", "pattern"),
        (
            {"pattern": "x" * 1001},
            "r: the pattern has 1001 characters; use at most 1000",
            "pattern",
        ),
        ({"confidence": 1.1}, "r: confidence is 1.1; give a number from 0 to 1", "confidence"),
        ({"confidence": -0.1}, "r: confidence is -0.1; give a number from 0 to 1", "confidence"),
        (
            {"confidence": float("nan")},
            "r: confidence is nan; give a number from 0 to 1",
            "confidence",
        ),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused(
    fields: dict[str, object], message: str, field: str
) -> None:
    right: dict[str, object] = {
        "id": "r",
        "kind": "keyword",
        "pattern": "vpn",
        "category": "spam",
        "confidence": 0.9,
    }
    with pytest.raises(PolicyError) as refused:
        KeywordRule(**(right | fields))  # type: ignore[arg-type]
    assert (str(refused.value), refused.value.field) == (message, f"keyword_rules.r.{field}")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "'(' is no expression: missing ): ("),
        ("a)(b", "'a)(b' is no expression: unexpected ): a)(b"),
        ("[", "'[' is no expression: missing ]: ["),
        ("*a", "'*a' is no expression: no argument for repetition operator: *"),
        (r"(a)\1", r"'(a)\\1' is no expression: invalid escape sequence: \1"),
        ("(?=a)b", "'(?=a)b' is no expression: invalid perl operator: (?="),
        ("(?<!a)b", "'(?<!a)b' is no expression: invalid perl operator: (?<!"),
        ("a{2000}", "'a{2000}' is no expression: invalid repetition size: {2000}"),
        (
            "((a{100}){100}){100}",
            "'((a{100}){100}){100}' is no expression: invalid repetition size: {100}",
        ),
        (
            r"[^\pL]{900}",
            r"'[^\\pL]{900}' is no expression: pattern too large - compile failed",
        ),
        (".*", "'.*' matches every text; say what must be there"),
        ("a?", "'a?' matches every text; say what must be there"),
        ("^$", "'^$' matches every text; say what must be there"),
    ],
)
def test_an_expression_that_cannot_be_run_safely_is_refused_with_the_reason(
    pattern: str, why: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        KeywordRule("r", "regex", pattern, "spam", 0.9)
    assert (str(refused.value), refused.value.field) == (f"r: {why}", "keyword_rules.r.pattern")


@pytest.mark.parametrize(
    ("field", "where"), [("", "the whole payload"), ("body", "the field body")]
)
def test_rules_that_are_too_large_together_are_refused(field: str, where: str) -> None:
    rules = tuple(
        KeywordRule(f"r{number}", "regex", f"[ab]{{{number}}}a.{{200}}c", "spam", 0.9, field)
        for number in range(100)
    )
    assert len(KeywordRules(rules[:5]).rules) == 5
    with pytest.raises(PolicyError) as refused:
        KeywordRules(rules)
    assert str(refused.value) == (
        f"the 100 keyword rules for {where} are too large together; "
        "shorten their repetitions or remove some"
    )
    assert refused.value.field == "keyword_rules"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+$", "a" * (LONGEST_TEXT - 1) + "!"),
        ("(a|aa)+b", "a" * LONGEST_TEXT),
        ("(x+x+)+y", "x" * LONGEST_TEXT),
        ("a.*b.*c.*d.*e$", "abcd" * (LONGEST_TEXT // 4)),
        (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * LONGEST_TEXT),
    ],
)
def test_a_catastrophic_pattern_answers_at_once(pattern: str, text: str) -> None:
    rules = KeywordRules((KeywordRule("r", "regex", pattern, "spam", 0.9),))
    assert spend(lambda: rules.match({"text": text})) < 0.5


def test_a_long_text_is_read_up_to_its_limit() -> None:
    rules = KeywordRules((KeywordRule("r", "keyword", "vpn", "spam", 0.9),))
    assert rules.match({"text": "a " * (LONGEST_TEXT // 2 - 2) + "vpn"}) == ("r",)
    assert rules.match({"text": "a " * (LONGEST_TEXT // 2) + "vpn"}) == ()


RULES = KeywordRules(
    (
        KeywordRule("any", "keyword", "vpn", "vpn_issue", 0.8),
        KeywordRule("subject", "keyword", "vpn", "vpn_issue", 0.9, field="subject"),
        KeywordRule("lock", "regex", "lock(ed)?", "account_unlock", 0.7, field="body"),
        KeywordRule("locks", "keyword", "locked out", "account_unlock", 0.95),
    )
)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, ()),
        ({"body": ""}, ()),
        ({"subject": "vpn"}, ("any", "subject")),
        ({"body": "vpn"}, ("any",)),
        ({"body": "locked out of vpn"}, ("any", "lock", "locks")),
        ({"subject": "locked"}, ()),
        ({"subject": ["no", {"deep": "the VPN"}]}, ("any", "subject")),
        ({"parts": [{"text": "a"}, [["vpn"]]]}, ("any",)),
        ({"vpn": "keys are no text"}, ()),
        ({"subject": None, "body": 42, "n": True}, ()),
        ({"image": "data:image/png;base64,vpn"}, ()),
        ({"text": "see data:vpn"}, ("any",)),
        ({"one": "locked", "two": "out"}, ("locks",)),  # a line break is a space
        ({"one": "vp", "two": "n"}, ()),
    ],
)
def test_rules_read_their_field_or_all_text_of_a_payload(
    payload: Mapping[str, object], expected: tuple[str, ...]
) -> None:
    assert RULES.match(payload) == expected


def test_scores_are_each_categorys_highest_confidence() -> None:
    assert RULES.scores(()) == {}
    assert RULES.scores(("unknown",)) == {}
    assert RULES.scores(("any",)) == {"vpn_issue": 0.8}
    assert RULES.scores(("subject", "any")) == {"vpn_issue": 0.9}
    assert RULES.scores(("lock", "locks")) == {"account_unlock": 0.95}
    assert RULES.scores(("any", "lock")) == {"vpn_issue": 0.8, "account_unlock": 0.7}


def test_no_rules_match_nothing() -> None:
    assert KeywordRules().match({"text": "vpn"}) == ()


def test_text_of_a_payload_is_in_its_order() -> None:
    payload = {"a": "1", "b": ["2", {"c": "3", "d": ["4"]}], "e": "data:,x", "f": "5"}
    assert payload_text(payload) == "1\n2\n3\n4\n5"
    assert payload_text("alone") == "alone"
    assert payload_text(None) == ""


def test_text_of_a_payload_nested_ten_thousand_deep_is_read() -> None:
    deep: object = "vpn"
    for _ in range(10_000):
        deep = [deep]
    assert RULES.match({"deep": deep}) == ("any",)


def test_five_hundred_rules_of_words_fit_together() -> None:
    rules = KeywordRules(
        tuple(
            KeywordRule(f"r{number}", "keyword", f"password reset {number}", "spam", 0.9)
            for number in range(500)
        )
    )
    assert rules.match({"body": "A PASSWORD  reset 77, please"}) == ("r77",)
    assert rules.match({"body": "a password reset 770"}) == ()
