"""Words for account pages: the directory's name, a browser's."""

from typing import Final

from django import template
from django.conf import settings
from django.utils.translation import gettext as _

register = template.Library()

# The first that fits: most browsers also claim to be others.
BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@register.simple_tag
def directory() -> dict[str, str] | None:
    """`id` and `name` of the directory that lets people in; None where none is named."""
    provider = settings.SOCIALACCOUNT_PROVIDERS.get("openid_connect")
    if provider is None:
        return None
    app = provider["APPS"][0]
    return {"id": app["provider_id"], "name": app["name"]}


@register.filter
def browser_name(user_agent: str) -> str:
    """The browser and system that a header claims: "Firefox on Linux"."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in SYSTEMS if mark in user_agent), None)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Unknown browser")
