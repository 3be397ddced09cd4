// Keys are declared on what they press (data-key); this file only finds it and presses it.
// They sleep while somebody types, in dialogs, with Ctrl, Alt, AltGr or Meta, when they are
// switched off, and from the moment a request leaves until its answer has settled.
//
// What answers rests a moment longer on every new screen, clicks at the same place too: a press that
// was meant for the screen before must not answer one that nobody has read.
"use strict";

(function () {
  const REST_MS = 250;
  const SAME_PLACE_PX = 24;
  const CHOOSES = "#answer input[name=categories], #answer [data-mode-button], #answer [data-take]";
  const ANSWERS = `${CHOOSES}, #answer button, #work [data-primary]`;
  let swapping = false;
  let restTimer = 0;
  let lastClick = null;
  const TYPING = "input:not([type=radio]):not([type=checkbox]):not([type=submit]), textarea, select, [contenteditable]";
  const WITHOUT_SWAP = ["htmx:responseError", "htmx:sendError", "htmx:timeout", "htmx:sendAbort", "htmx:swapError"];

  document.addEventListener("htmx:beforeSend", (event) => {
    if (event.detail.target.id === "work") swapping = true;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id !== "work") return;
    swapping = false;
    rest();
  });
  for (const name of WITHOUT_SWAP) document.addEventListener(name, () => { swapping = false; });

  document.addEventListener("DOMContentLoaded", rest);

  // `data-ready` says that the screen takes answers.
  function rest() {
    const work = document.getElementById("work");
    window.clearTimeout(restTimer);
    if (!work) return;
    delete work.dataset.ready;
    restTimer = window.setTimeout(() => { work.dataset.ready = ""; }, REST_MS);
  }

  function isTooEarly(element) {
    const work = document.getElementById("work");
    if (!work || "ready" in work.dataset || !element.matches(ANSWERS)) return false;
    // Without the choice that came too early, the Enter after it would confirm another.
    if (element.matches(CHOOSES)) rest();
    return true;
  }

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
    if ("carried" in element.dataset) {
      // Ticked before the reviewer could press it here: pressed, it is meant.
      delete element.dataset.carried;
      return;
    }
    element.click();
  }

  function sendPrimary(event) {
    const primary = document.querySelector("[data-primary]");
    if (!primary || !isShown(primary)) return;
    event.preventDefault();
    if (!isTooEarly(primary)) primary.click();
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
    if (!isTooEarly(element)) press(element);
  });

  document.addEventListener("click", (event) => {
    if (!event.detail) return; // a key's, or an assistive tool's
    const { clientX: x, clientY: y } = event;
    const again = lastClick && Math.hypot(x - lastClick.x, y - lastClick.y) < SAME_PLACE_PX;
    lastClick = { x, y };
    const label = event.target.closest("label");
    const element = label?.control || event.target.closest("button, a, input");
    if (!again || !element || !isTooEarly(element)) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
})();
