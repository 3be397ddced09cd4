// The item in the layout's preview: as tall as it needs, in the theme of the page around it.
// The frame runs no scripts of its own.
"use strict";

(() => {
  const TALLEST = 900;

  function fit(frame) {
    const inside = frame.contentDocument;
    if (!inside?.body) return;
    const theme = document.documentElement.dataset.theme;
    if (theme === "light" || theme === "dark") inside.documentElement.dataset.theme = theme;
    frame.style.height = "0";
    frame.style.height = `${Math.min(TALLEST, inside.documentElement.scrollHeight + 2)}px`;
  }

  function fitAll() {
    for (const frame of document.querySelectorAll("iframe[data-paper]")) {
      fit(frame);
      frame.contentDocument?.addEventListener("toggle", () => fit(frame), true);
    }
  }

  document.addEventListener("load", (event) => {
    if (event.target instanceof HTMLIFrameElement) fitAll();
  }, true);
  window.addEventListener("load", fitAll);
  new MutationObserver(fitAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();
