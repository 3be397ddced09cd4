"""The admin under the strict policy: nothing refused, nothing wide, nothing axe complains about."""

import pytest
from playwright.sync_api import Page

from calibration.runs import recalibrate
from routing.models import Policy
from tests.browser.test_accessibility import violations
from tests.calibration.cohorts import NOON, make_audited_stream, post_labelled

# Django's tables of inlines have header cells without a word over the key and the bin; the label of
# its search is a picture with the word.
DJANGOS_OWN = ("empty-table-header", "label-title-only: [['#searchbar']]")


def look_at(page: Page) -> tuple[list[str], list[str]]:
    """What the policy refused on the page, and what axe finds but for Django's own."""
    refused = page.evaluate("window.refused")
    return refused, [each for each in violations(page) if not each.startswith(DJANGOS_OWN)]


def measure(page: Page) -> tuple[int, bool]:
    """How wide the page is, and whether its choices fit 360 pixels."""
    widest = page.evaluate(
        """Math.max(0, ...[...document.querySelectorAll("#content select")]
            .filter((select) => !select.closest(".tabular, .wide"))
            .map((select) => select.getBoundingClientRect().right))"""
    )
    return page.evaluate("document.documentElement.scrollWidth"), widest <= 360


@pytest.fixture
def addresses(transactional_db: None) -> dict[str, str]:
    """The pages to look at, by name, on a stream whose recalibration proposed something."""
    stream = make_audited_stream()
    post_labelled(stream, 412, right=321, confidence=0.93)
    run = recalibrate(stream=stream, at=NOON, reason="a rollout")
    draft = Policy.objects.get(id=run.draft_id or "")
    return {
        "index": "/admin/",
        "policies": "/admin/routing/policy/",
        "start": f"/admin/routing/policy/add/?stream={stream.id}",
        "versions": f"/admin/routing/policy/of/{stream.id}/",
        "preview": f"/admin/routing/policy/{draft.id}/preview/",
        "draft": f"/admin/routing/policy/{draft.id}/change/",
        "published": f"/admin/routing/policy/{draft.based_on_id}/change/",
        "publish": f"/admin/routing/policy/{draft.id}/publish/",
        "difference": f"/admin/routing/policy/{draft.id}/difference/",
        "stream": f"/admin/routing/stream/{stream.id}/change/",
        "run": f"/admin/calibration/calibrationrun/{run.id}/change/",
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_admin_pages_have_no_violations(
    addresses: dict[str, str], admin_page: Page, complaints: list[str], theme: str
) -> None:
    # Axe measures by styles of its own; what the pages themselves do is read before it starts.
    complaints.append("Applying inline style violates")
    admin_page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    found = {}
    for name, address in addresses.items():
        admin_page.goto(address)
        if name == "draft":
            admin_page.wait_for_selector("#preview-part")
        found[name] = look_at(admin_page)
    admin_page.goto("about:blank")
    assert found == {name: ([], []) for name in addresses}


def test_admin_pages_fit_360_pixels(addresses: dict[str, str], admin_page: Page) -> None:
    admin_page.set_viewport_size({"width": 360, "height": 800})
    draft = Policy.objects.get(version=None)
    Policy.objects.filter(id=draft.id).update(title="A long name " * 8)
    addresses["difference of the published"] = (
        f"/admin/routing/policy/{draft.based_on_id}/difference/?against={draft.id}"
    )
    widths = {}
    for name, address in addresses.items():
        admin_page.goto(address)
        widths[name] = measure(admin_page)
    assert widths == dict.fromkeys(addresses, (360, True))


def test_categories_fit_beside_the_sidebar(addresses: dict[str, str], admin_page: Page) -> None:
    admin_page.set_viewport_size({"width": 1280, "height": 800})
    admin_page.goto(addresses["stream"])
    over = """(() => { const table = document.querySelector("#categories-group .tabular");
        return table.scrollWidth - table.clientWidth; })()"""
    assert admin_page.evaluate(over) == 0


def test_draft_is_changed_and_published_in_the_browser(
    addresses: dict[str, str], admin_page: Page, complaints: list[str]
) -> None:
    complaints.append("422")  # the preview of a row that has no category yet
    admin_page.goto(addresses["draft"])
    admin_page.fill("[name=hold]", "0.45")
    admin_page.click("text=Add another Category rule")
    admin_page.select_option("[name=rules-1-category]", label="VPN issue")
    admin_page.fill("[name=rules-1-watch]", "0.4")
    admin_page.click("[name=_continue]")
    admin_page.wait_for_selector(".messagelist .success")
    admin_page.click("text=Publish …")
    assert "hold from" in admin_page.inner_text(".changes").lower()
    admin_page.fill("[name=reason]", "it holds its promise")
    admin_page.click("input[value=Publish]")
    admin_page.wait_for_selector("text=it decides from the next item on")
    policy = Policy.objects.get(version=2)
    assert (policy.hold, policy.reason) == (0.45, "it holds its promise")
    assert [(rule.category.key, rule.watch) for rule in policy.rules.all()] == [("vpn_issue", 0.4)]


def test_preview_follows_the_keyboard_and_leaves_the_focus_where_it_is(
    addresses: dict[str, str], admin_page: Page, complaints: list[str]
) -> None:
    complaints.append("422")  # how the browser tells of a form with errors
    admin_page.goto(addresses["draft"])
    admin_page.wait_for_selector("#preview-part .shares")
    admin_page.focus("[name=auto]")
    admin_page.keyboard.press("Control+a")
    admin_page.keyboard.type("1")
    admin_page.wait_for_selector(".shares tbody tr:first-child:has-text('0.0%')")
    assert admin_page.inner_text("#preview-said").endswith("items change queue.")
    assert admin_page.evaluate("document.activeElement.name") == "auto"
    admin_page.keyboard.press("Tab")
    admin_page.keyboard.type("3")
    admin_page.wait_for_selector("#preview-part .errorlist")
    assert admin_page.evaluate("document.activeElement.name") == "flagged"
    assert "Flagged from:" in admin_page.inner_text("#preview-part")
    admin_page.keyboard.press("Control+a")
    admin_page.keyboard.type("0.7")
    admin_page.wait_for_selector("#preview-part .shares")
    assert Policy.objects.get(version=None).auto != 1.0


def test_preview_that_fails_says_that_its_figures_are_old(
    addresses: dict[str, str], admin_page: Page, complaints: list[str]
) -> None:
    admin_page.goto(addresses["draft"])
    admin_page.wait_for_selector("#preview-part .shares")
    assert admin_page.is_hidden("#preview-failed")
    admin_page.context.clear_cookies()
    complaints.append("403")
    admin_page.fill("[name=auto]", "0.99")
    admin_page.wait_for_selector("#preview-failed:visible")
    assert admin_page.is_visible("#preview-part .shares")
