"""What a browser complains about, and whom its pages ask, in every page of every context."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from playwright.sync_api import BrowserContext, ConsoleMessage, Request

WATCH_POLICY: Final = """
    window.refused = [];
    document.addEventListener("securitypolicyviolation",
        (event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
OF_THE_PAGE: Final = ("data:", "blob:", "about:")


@dataclass
class Watch:
    """Script errors, console errors, refused resources, and addresses that are not `home`'s."""

    home: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def begin(self, context: BrowserContext) -> None:
        """Watch all pages that the context has or gets."""
        self._contexts.append(context)
        context.add_init_script(WATCH_POLICY)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("console", self._hear)
        context.on("request", self._see)

    def finish(self) -> None:
        """Hear what is still on its way from the pages that are open, and what they refused."""
        for page in [page for context in self._contexts for page in context.pages]:
            self.errors.extend(page.evaluate("window.refused || []"))

    def unexpected(self, complaints: Sequence[str]) -> list[str]:
        """The errors in which none of the `complaints` stands."""
        return [line for line in self.errors if not any(one in line for one in complaints)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _see(self, request: Request) -> None:
        if not request.url.startswith((f"{self.home}/", *OF_THE_PAGE)):
            self.foreign.append(request.url)
