"""A page as two people see it: in the light on a laptop, in the dark on a phone."""

from typing import Final

from playwright.sync_api import Page

from tests.browser.test_accessibility import RULES, RULES_OF_LOOKS, violations

# So long a phone that the actions at its foot lie over nothing: axe would call that too small.
LOOKS: Final = (("light", 1280, 800, RULES), ("dark", 360, 4000, RULES_OF_LOOKS))


def look(page: Page, name: str, *, besides: tuple[str, ...] = ()) -> list[str]:
    """What is wrong with the page as it is, in each look, `besides` these rules."""
    found = []
    for theme, width, height, rules in LOOKS:
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": height})
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        wrong = [each for each in violations(page, rules) if each.partition(":")[0] not in besides]
        wrong += [f"{over} px too wide"] if over > 0 else []
        found += [f"{name}, {theme} at {width}: {each}" for each in wrong]
    return found
