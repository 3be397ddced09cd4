"""Drawings of the screens: what is drawn once holds nothing of a page."""

from django.template import Context, Template
from django.utils import translation

CONSTANT = "{% load i18n review %}{% constant %}"


def test_constant_draws_words_and_icons() -> None:
    template = Template(f'{CONSTANT}{{% icon "undo" %}}{{% translate "Undo" %}}{{% endconstant %}}')
    assert template.render(Context()) == (
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-undo"></use></svg>'
        "Undo"
    )


def test_constant_knows_no_variable_of_the_page() -> None:
    template = Template(f"{CONSTANT}for {{{{ name }}}}{{% endconstant %}}, {{{{ name }}}}")
    assert template.render(Context({"name": "Rita"})) == "for , Rita"
    assert template.render(Context({"name": "Sam"})) == "for , Sam"


def test_constant_is_drawn_for_each_language() -> None:
    template = Template(f'{CONSTANT}{{% translate "Yes" %}}{{% endconstant %}}')
    with translation.override("de"):
        german = template.render(Context())
    with translation.override("en-gb"):
        assert template.render(Context()) == "Yes"
    assert german == "Ja"
