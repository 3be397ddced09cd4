"""Drawings of the screens: what is drawn once holds nothing of a page."""

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.utils import translation

CONSTANT = "{% load i18n review %}{% constant %}"


def test_constant_draws_words_and_icons() -> None:
    template = Template(f'{CONSTANT}{{% icon "undo" %}}{{% translate "Undo" %}}{{% endconstant %}}')
    assert template.render(Context()) == (
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-undo"></use></svg>'
        "Undo"
    )


@pytest.mark.parametrize(
    "varying", ["{{ name }}", "{% if name %}x{% endif %}", "{% for one in name %}x{% endfor %}"]
)
def test_constant_refuses_what_varies(varying: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="leave that outside"):
        Template(f"{CONSTANT}for {varying}{{% endconstant %}}")


def test_constant_is_drawn_for_each_language() -> None:
    template = Template(f'{CONSTANT}{{% translate "Yes" %}}{{% endconstant %}}')
    with translation.override("de"):
        german = template.render(Context())
    with translation.override("en-gb"):
        assert template.render(Context()) == "Yes"
    assert german == "Ja"
