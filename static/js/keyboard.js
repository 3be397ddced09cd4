// Keys are declared on what they press (data-key); this file only finds it and presses it.
// They sleep while somebody types, in dialogs, with Ctrl, Alt, AltGr or Meta, when they are
// switched off, and from the moment a request leaves until its answer has settled.
"use strict";

(function () {
  let swapping = false;
  const TYPING = "input:not([type=radio]):not([type=checkbox]):not([type=submit]), textarea, select, [contenteditable]";
  const WITHOUT_SWAP = ["htmx:responseError", "htmx:sendError", "htmx:timeout", "htmx:sendAbort", "htmx:swapError"];

  document.addEventListener("htmx:beforeSend", (event) => {
    if (event.detail.target.id === "work") swapping = true;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id === "work") swapping = false;
  });
  for (const name of WITHOUT_SWAP) document.addEventListener(name, () => { swapping = false; });

  function isShown(element) {
    const box = element.matches("input[type=radio], input[type=checkbox]") ? element.parentElement : element;
    return !element.disabled && !element.closest("[inert]") && box.getClientRects().length > 0;
  }

  function find(key) {
    const name = CSS.escape(key);
    return [...document.querySelectorAll(`[data-key="${name}"]`)].find(isShown);
  }

  function press(element) {
    if (element.matches("input[type=search]")) {
      element.focus();
      element.select();
      return;
    }
    const field = element.dataset.keyFocus && document.getElementById(element.dataset.keyFocus);
    if (field) {
      const details = field.closest("details");
      if (details) details.open = true;
      field.focus();
      return;
    }
    element.click();
  }

  function sendPrimary(event) {
    const primary = document.querySelector("[data-primary]");
    if (!primary || !isShown(primary)) return;
    event.preventDefault();
    primary.click();
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      if (event.repeat || swapping) event.preventDefault();
      else sendPrimary(event);
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey || event.getModifierState("AltGraph")) return;
    const target = event.target;
    if (target.matches(TYPING)) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (settings.get("keys") === "off") return;
    if (swapping || event.repeat) {
      // A key held down must not answer the next item too.
      if (event.key === "Enter") event.preventDefault();
      return;
    }
    // Enter belongs to whatever has focus: a button, a link, a summary.
    if (event.key === "Enter" && target.closest("a[href], button, summary")) return;
    const element = find(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!element) return;
    event.preventDefault();
    press(element);
  });
})();
