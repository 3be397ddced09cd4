"""Small drawings and words for the screens: icons, form controls, relative times."""

from datetime import datetime, timedelta
from functools import cache

from django import template
from django.contrib.auth.models import User
from django.forms import BoundField, CheckboxInput
from django.template.base import VariableNode
from django.template.defaulttags import ForNode, IfNode
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from reviewqueue.stream_admins import opens_admin

register = template.Library()

VARYING = (VariableNode, IfNode, ForNode)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@register.filter(name="opens_admin")
def shows_admin(user: object) -> bool:
    """Whether the Django admin opens to the page's user, where it has one."""
    return isinstance(user, User) and opens_admin(user)


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """The sprite's drawing `name`, silent for screen readers: a word always stands beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-{}"></use></svg>',
        name,
    )


class ConstantNode(template.Node):
    """Nodes that draw the same for everybody, once per language and process."""

    def __init__(self, nodelist: template.NodeList) -> None:
        self.nodelist = nodelist
        self._drawn: dict[str | None, SafeString] = {}

    def render(self, context: template.Context) -> SafeString:
        """What was drawn in this language; at first with no variable of the page in sight."""
        language = get_language()
        drawn = self._drawn.get(language)
        if drawn is None:
            drawn = self._drawn[language] = self.nodelist.render(context.new())
        return drawn


@register.tag
def constant(parser: template.base.Parser, _token: template.base.Token) -> ConstantNode:
    """Draw what stands up to `endconstant` once; words, icons and addresses, no variables."""
    nodelist = parser.parse(("endconstant",))
    parser.delete_first_token()
    # Drawn without the page's variables, these would be empty on every page.
    if any(nodelist.get_nodes_by_type(kind) for kind in VARYING):
        raise template.TemplateSyntaxError(
            "{% constant %} holds a variable, an if or a for; leave that outside."
        )
    return ConstantNode(nodelist)


@register.filter
def as_input(field: BoundField, switch: str = "") -> SafeString:
    """A form field's control in the product's look, tied to its errors.

    `switch` is an attribute without a value, such as "autofocus".
    """
    look = "check" if isinstance(field.field.widget, CheckboxInput) else "input"
    attributes: dict[str, str | bool] = {"class": look}
    if switch:
        attributes[switch] = True
    if field.errors:
        attributes["aria-invalid"] = "true"
    # The label says it already, and stays when something is typed.
    field.field.widget.attrs.pop("placeholder", None)
    return field.as_widget(attrs=attributes)


@register.filter
def as_percent(share: float) -> str:
    """A share in whole per cent: "87%"."""
    return f"{share * 100:.0f}%"


@register.filter
def short_duration(span: timedelta) -> str:
    """How long, in at most two units: "45 s", "38 min", "6 h 10", "3 days"."""
    seconds = max(0, int(span.total_seconds()))
    if span < MINUTE:
        return _("%(n)d s") % {"n": seconds}
    if span < HOUR:
        return _("%(n)d min") % {"n": seconds // 60}
    if span < DAY:
        hours, minutes = seconds // 3600, seconds % 3600 // 60
        if not minutes:
            return _("%(h)d h") % {"h": hours}
        return _("%(h)d h %(m)02d") % {"h": hours, "m": minutes}
    return ngettext("%(n)d day", "%(n)d days", span.days) % {"n": span.days}


@register.filter
def age(moment: datetime) -> SafeString:
    """How long ago `moment` was, with the moment itself as the title."""
    return _timed(moment, short_duration(timezone.now() - moment))


@register.filter
def due(moment: datetime) -> SafeString:
    """When something is due: in minutes and hours where it is near, else by day and hour."""
    return _timed(moment, _due_words(moment))


@register.filter
def due_phrase(moment: datetime) -> SafeString:
    """`due`, as it stands alone: "due tomorrow 09:00", "overdue by 2 h"."""
    words = _due_words(moment)
    late = moment < timezone.now()
    return _timed(moment, words if late else _("due %(when)s") % {"when": words})


def _due_words(moment: datetime) -> str:
    left = moment - timezone.now()
    local = timezone.localtime(moment)
    today = timezone.localdate()
    clock = formats.time_format(local, "H:i")
    if left < timedelta(0):
        return _("overdue by %(span)s") % {"span": short_duration(-left)}
    if left < HOUR:
        return _("in %(span)s") % {"span": short_duration(left)}
    if local.date() == today:
        return _("today %(clock)s") % {"clock": clock}
    if local.date() == today + DAY:
        return _("tomorrow %(clock)s") % {"clock": clock}
    if left < timedelta(days=6):
        return _("%(day)s %(clock)s") % {"day": formats.date_format(local, "D"), "clock": clock}
    return formats.date_format(local, "j M")


@register.filter
def clock(moment: datetime) -> SafeString:
    """The hour of a moment today, else its day."""
    local = timezone.localtime(moment)
    same_day = local.date() == timezone.localdate()
    words = formats.time_format(local, "H:i") if same_day else formats.date_format(local, "j M H:i")
    return _timed(moment, words)


def _timed(moment: datetime, words: str) -> SafeString:
    local = timezone.localtime(moment)
    title = f"{formats.date_format(local, 'j F Y')}, {formats.time_format(local, 'H:i')}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(timespec="seconds"),
        title,
        words,
    )
