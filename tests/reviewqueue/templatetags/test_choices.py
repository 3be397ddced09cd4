"""Category lists of the answer form: drawn once per look, never with another item's figures."""

from django.template import Context, Template

from reviewqueue.views.answer_panel import Choice, Choices

LIST = Template("{% load choices %}{% draw_choices choices mode %}")
DEFINITIONS = Template("{% load choices %}{% draw_definitions choices %}")


def draw(*choices: Choice, mode: str = "category") -> list[str]:
    return LIST.render(Context({"choices": choices, "mode": mode})).splitlines()


def test_choice_has_its_key_score_and_bar() -> None:
    (row,) = draw(Choice("vpn", "VPN", "", hotkey="1", score="0.52", width="52.0%", checked=True))
    assert row == (
        '<label class="choice" data-choice="vpn" data-label="VPN">'
        '<input type="radio" name="categories" value="vpn" data-key="1" aria-keyshortcuts="1"'
        ' checked><kbd class="key key--keep">1</kbd>'
        '<span class="choice__name" title="VPN">VPN</span>'
        '<svg class="bar" aria-hidden="true"><rect width="100%" height="100%"></rect>'
        '<rect width="52.0%" height="100%" rx="3"></rect></svg>'
        '<span class="choice__score">0.52</span></label>'
    )


def test_choice_of_the_next_item_has_its_own_figures() -> None:
    (first,) = draw(Choice("vpn", "VPN", "", hotkey="1", score="0.52", width="52.0%"))
    (second,) = draw(Choice("vpn", "VPN", "", hotkey="1", score="0.31", width="31.0%"))
    assert second == first.replace("0.52", "0.31").replace("52.0%", "31.0%")


def test_choice_without_figures_shows_none() -> None:
    (row,) = draw(Choice("vpn", "VPN", ""))
    assert "choice--plain" in row
    assert "choice__score" not in row
    assert "<svg" not in row


def test_several_choices_can_be_ticked_in_an_ambiguous_answer() -> None:
    (row,) = draw(Choice("vpn", "VPN", ""), mode="ambiguous")
    assert 'type="checkbox"' in row


def test_label_is_escaped() -> None:
    (row,) = draw(Choice("vpn", '"><script>', "", score="0.10"))
    assert "<script>" not in row
    assert 'title="&quot;&gt;&lt;script&gt;"' in row


def test_definitions_beside_the_chosen_one_are_hidden() -> None:
    choices = Choices(
        first=(Choice("a", "A", "first", checked=True), Choice("b", "B", "<b>second</b>")),
        rest=(Choice("c", "C", ""),),
    )
    assert DEFINITIONS.render(Context({"choices": choices})).splitlines() == [
        '<div class="definition" data-definition="a"><p><b>A</b> '
        "<span data-definition-words>first</span></p></div>",
        '<div class="definition" data-definition="b" hidden>'
        "<p><b>B</b> <span data-definition-words>&lt;b&gt;second&lt;/b&gt;</span></p></div>",
    ]


def test_definitions_are_all_in_sight_while_nothing_is_chosen() -> None:
    choices = Choices(first=(Choice("a", "A", "first"),), rest=())
    assert "hidden" not in DEFINITIONS.render(Context({"choices": choices}))
