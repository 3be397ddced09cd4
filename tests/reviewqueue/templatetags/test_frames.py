"""Frames: drawn once for each look, filled anew, and nothing of one page in another."""

from uuid import uuid4

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.utils.safestring import mark_safe
from django.utils.translation import override


def draw(template: Template, **values: object) -> str:
    return template.render(Context(values))


def test_holes_are_filled_anew_and_escaped() -> None:
    template = Template(
        "{% load frames %}{% framed with name=who %}<b>{{ name }}</b>{% endframed %}"
    )
    drawn = [draw(template, who=who) for who in ("<Ada>", mark_safe("<i>Grace</i>"), 1.5, None)]
    assert drawn == ["<b>&lt;Ada&gt;</b>", "<b><i>Grace</i></b>", "<b>1.5</b>", "<b>None</b>"]


def test_a_hole_is_shown_as_often_as_it_is_named() -> None:
    template = Template(
        "{% load frames %}{% framed with a=a b=b %}{{ b }}{{ a }}, {{ b }}{% endframed %}."
    )
    assert draw(template, a="one", b="two") == "twoone, two."


def test_each_shape_has_its_own_frame() -> None:
    template = Template(
        "{% load frames %}{% framed late=late with n=n %}"
        "{% if late %}late {{ late }}{% endif %}{{ n }}{% endframed %}"
    )
    shapes = (True, 1, "", "<b>", mark_safe("<b>"), True)
    assert [draw(template, late=shape, n=7) for shape in shapes] == [
        *("late True7", "late 17", "7", "late &lt;b&gt;7", "late <b>7", "late True7")
    ]


def test_nothing_else_of_the_page_is_in_sight() -> None:
    template = Template(
        "{% load frames %}{% framed shape=1 with b=b %}{{ secret }}|{{ b }}{% endframed %}"
    )
    assert draw(template, b=1, secret="mine") == "|1"


def test_addresses_take_holes_for_ids() -> None:
    template = Template(
        "{% load frames %}{% framed with task=task %}{% url 'skip' task %}{% endframed %}"
    )
    first, second = uuid4(), uuid4()
    assert [draw(template, task=task) for task in (first, second)] == [
        f"/tasks/{first}/skip",
        f"/tasks/{second}/skip",
    ]


def test_each_language_has_its_own_frame() -> None:
    template = Template("{% load frames i18n %}{% framed %}{% translate 'Yes' %}{% endframed %}")
    drawn = []
    for language in ("en", "de", "en"):
        with override(language):
            drawn.append(draw(template))
    assert drawn == ["Yes", "Ja", "Yes"]


def test_figures_follow_the_language_where_the_page_does() -> None:
    template = Template(
        "{% load frames l10n %}{% framed with x=x %}{{ x }}{% endframed %}"
        "{% localize off %} {% framed with x=x %}{{ x }}{% endframed %}{% endlocalize %}"
    )
    with override("de"):
        assert draw(template, x=1.5) == "1,5 1.5"


@pytest.mark.parametrize("words", ["late", "with task", "a=1 with b=2 more"])
def test_a_frame_of_unnamed_values_is_refused(words: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="write name=value pairs"):
        Template(f"{{% load frames %}}{{% framed {words} %}}{{% endframed %}}")
