// The flagged batch by keyboard: walk the rows, take one out, choose instead, and what the main
// button will do. Everything here presses what the mouse could press as well. Exceptions survive a
// reload and an expired session: they are kept in this tab until the table has been taken.
"use strict";

(function () {
  const TYPING = "input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]";
  const DRAFT = "batch-draft";
  const PLACE = "batch-place";
  const fill = (words, n) => words.replace("{n}", String(n));
  const form = () => document.getElementById("batch");
  const rows = () => [...document.querySelectorAll("#batch [data-row]")];
  const tick = (row) => row.querySelector("input[name=confirm]");
  const other = (row) => row.querySelector(".pick-other input");
  const radios = (row) => [...row.querySelectorAll("[data-digit]")];
  const blocks = (row) => [...row.querySelectorAll("[data-block]")];
  let place = -1;

  function state(row) {
    if (tick(row).checked) return "confirm";
    const chosen = radios(row).find((radio) => radio.checked);
    return other(row).value.trim() || (chosen && chosen.value !== "leave") ? "correct" : "leave";
  }

  function refresh() {
    const of = form();
    if (!of) return;
    const counts = { confirm: 0, correct: 0, leave: 0 };
    for (const row of rows()) {
      row.dataset.state = state(row);
      counts[row.dataset.state] += 1;
    }
    const send = document.getElementById("send");
    const words = Object.keys(counts).filter((name) => counts[name]);
    const said = words.map((name) => fill(send.dataset[name], counts[name])).join(", ");
    send.querySelector("[data-send-words]").textContent = said.charAt(0).toUpperCase() + said.slice(1);
    for (const button of of.querySelectorAll("[data-group]")) {
      const all = [...button.closest("tbody").querySelectorAll("[data-row]")];
      const out = all.every((row) => tick(row).checked);
      button.querySelector("[data-group-words]").textContent = out ? button.dataset.out : button.dataset.in;
    }
  }

  function keep() {
    const draft = {};
    for (const row of rows()) {
      const kept = {};
      const source = blocks(row).find((radio) => radio.checked);
      if (source && source.dataset.cited === undefined) kept.block = source.value;
      if (!tick(row).checked) {
        const chosen = radios(row).find((radio) => radio.checked);
        Object.assign(kept, { answer: chosen ? chosen.value : "", other: other(row).value });
      }
      if (Object.keys(kept).length) draft[tick(row).value] = kept;
    }
    try { window.sessionStorage.setItem(DRAFT, JSON.stringify(draft)); } catch (refused) { /* no storage */ }
  }

  function changed() {
    refresh();
    keep();
  }

  function focusRow(row) {
    const first = tick(row).disabled ? radios(row).find((radio) => radio.checked) || other(row) : tick(row);
    first.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  // An opened row may be longer than what is in sight: then its beginning.
  function showWhole(row) {
    row.scrollIntoView({ block: "nearest" });
    if (row.getBoundingClientRect().height > window.innerHeight / 2) row.scrollIntoView({ block: "start" });
  }

  function current() {
    const all = rows();
    const row = document.activeElement && document.activeElement.closest("#batch [data-row]");
    if (row) place = all.indexOf(row);
    return row || all[place] || null;
  }

  function move(step) {
    const all = rows();
    const at = current() ? place : -1;
    place = Math.min(Math.max(at + step, 0), all.length - 1);
    if (all[place]) focusRow(all[place]);
  }

  function takeOut(row, out) {
    if (!tick(row).disabled) tick(row).checked = !out;
    changed();
  }

  function pick(row, digit) {
    if (digit === "1") {
      takeOut(row, false);
    } else {
      const radio = radios(row).find((each) => each.dataset.digit === digit);
      if (!radio) return;
      tick(row).checked = false;
      radio.checked = true;
      other(row).value = "";
      changed();
    }
    focusRow(row);
  }

  // A source that is chosen supports the sentence, so that the row is confirmed by it.
  function pickSource(row, source) {
    source.checked = true;
    takeOut(row, false);
  }

  function pickDigit(row, digit) {
    const source = blocks(row).find((each) => each.dataset.block === digit);
    if (!source) return pick(row, digit);
    pickSource(row, source);
    return focusRow(row);
  }

  function settleOther(row) {
    const field = other(row);
    const typed = field.value.trim();
    const found = typed && another.best(typed);
    if (found) field.value = found;
    const known = !typed || Boolean(found);
    field.setAttribute("aria-invalid", String(!known));
    field.title = known ? "" : form().dataset.none;
    if (!known) document.getElementById("live").textContent = form().dataset.none;
    changed();
    return known;
  }

  // In doubt it is not confirmed with the rest, whether or not it gets its answer by itself.
  function openRow(row) {
    takeOut(row, true);
    row.querySelector("[data-open-row]").click();
  }

  const keys = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
    x: (row) => takeOut(row, tick(row).checked),
    " ": (row) => takeOut(row, tick(row).checked),
    "/": (row) => { takeOut(row, true); other(row).focus(); other(row).select(); },
    o: (row) => { const item = row.querySelector("[data-item]"); item.open = !item.open; showWhole(row); },
    v: openRow,
    n: (row) => pick(row, "n"), l: (row) => pick(row, "l"),
    ...Object.fromEntries([..."123450"].map((digit) => [digit, (row) => pickDigit(row, digit)])),
  };

  function inOther(event) {
    const row = event.target.closest("[data-row]");
    if (!row || !event.target.matches(".pick-other input")) return;
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      if (settleOther(row)) focusRow(row);
    } else if (event.key === "Escape") {
      event.preventDefault();
      pick(row, "l");
      takeOut(row, false);
      focusRow(row);
    }
  }

  // Before the page's own keys: arrows would else turn a radio, and Enter send the form.
  document.addEventListener("keydown", (event) => {
    if (!form() || event.isComposing || document.querySelector("dialog[open]")) return;
    inOther(event);
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.matches(TYPING) || settings.get("keys") === "off") return;
    // The space bar belongs to whatever has focus, but for a row's own tick.
    if (event.key === " " && !event.target.matches("[data-digit]")) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (event.repeat && !/^(Arrow|j|k)/.test(event.key))) return;
    const row = current();
    if (!row && act.length) return;
    event.preventDefault();
    act(row);
  }, true);

  document.addEventListener("change", (event) => {
    const row = event.target.closest("#batch [data-row]");
    if (!row) return;
    if (event.target.matches("[data-digit]")) other(row).value = "";
    if (event.target.matches("[data-block]")) pickSource(row, event.target);
    if (event.target.matches(".pick-other input")) settleOther(row);
    changed();
  });
  document.addEventListener("input", (event) => {
    const row = event.target.closest("#batch [data-row]");
    if (!row || !event.target.matches(".pick-other input")) return;
    if (event.target.value.trim()) for (const radio of radios(row)) radio.checked = false;
    else radios(row).find((radio) => radio.value === "leave").checked = true;
    changed();
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open-row]");
    if (opener) keepPlace(opener.closest("[data-row]"));
    const button = event.target.closest("[data-group]");
    if (!button) return;
    const all = [...button.closest("tbody").querySelectorAll("[data-row]")];
    const out = all.every((row) => tick(row).checked);
    for (const row of all) tick(row).checked = !out;
    changed();
  });

  function restore() {
    let draft = {};
    try { draft = JSON.parse(window.sessionStorage.getItem(DRAFT) || "{}"); } catch (refused) { return; }
    for (const row of rows()) {
      const kept = draft[tick(row).value];
      if (!kept) continue;
      for (const radio of blocks(row)) if (radio.value === kept.block) radio.checked = true;
      if (kept.answer === undefined) continue;
      tick(row).checked = false;
      for (const radio of radios(row)) radio.checked = radio.value === kept.answer;
      other(row).value = kept.other;
    }
  }

  function keepPlace(row) {
    try { window.sessionStorage.setItem(PLACE, String(rows().indexOf(row))); } catch (refused) { /* no storage */ }
  }

  // Back from a row that was judged by itself: on to the one that stands in its place now.
  function returnToPlace() {
    let at = null;
    try {
      at = window.sessionStorage.getItem(PLACE);
      window.sessionStorage.removeItem(PLACE);
    } catch (refused) { /* no storage */ }
    if (at === null || !form()) return;
    place = Number(at) - 1;
    move(1);
  }

  // What a swap brings has the server's word on it: nothing is laid over it.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id !== "work") return;
    // It came with the page, about what was before the table that has gone now.
    document.querySelector(".workplace > .messages")?.remove();
    place = -1;
    refresh();
    keep();
  });
  document.addEventListener("DOMContentLoaded", () => {
    restore();
    refresh();
    returnToPlace();
  });
  // A table that the browser kept may have been sent since.
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
})();
