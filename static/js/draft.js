// A draft and one of its sentences beside it: which one is open, and where the focus goes.
"use strict";

(function () {
  const sentences = () => [...document.querySelectorAll("[data-sentence]")];
  let opener = null;

  function mark(link) {
    for (const each of sentences()) each.removeAttribute("aria-current");
    if (link) link.setAttribute("aria-current", "true");
  }

  function close() {
    const at = document.querySelector("[data-sentence][aria-current]") || opener;
    const side = document.getElementById("side");
    side.dataset.closed = "yes";
    delete side.dataset.announce;
    side.querySelector(".answer__scroll").replaceChildren();
    side.querySelector(".answer__actions")?.remove();
    mark(null);
    window.history.replaceState(null, "", side.dataset.close);
    if (at) at.focus();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-sentence]");
    if (link && !(event.ctrlKey || event.metaKey || event.shiftKey)) opener = link;
    if (event.target.closest("[data-side-close]")) {
      event.preventDefault();
      close();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open], details.menu[open]")) return;
    if (document.getElementById("side-title")) close();
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id !== "side" || !opener) return;
    mark(opener);
    window.history.replaceState(null, "", opener.getAttribute("hx-get"));
    const title = document.getElementById("side-title");
    title.focus({ preventScroll: true });
    title.scrollIntoView({ block: "nearest" });
  });
})();
