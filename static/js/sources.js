// A sentence beside its sources: the panel opens and closes, and what is chosen in it agrees with
// the answer. Where there is room for both it is open from the start, which the style sheet says.
"use strict";

(function () {
  const panel = () => document.getElementById("sources");
  const toggle = () => document.getElementById("sources-toggle");
  const isOpen = () => panel().getClientRects().length > 0;
  const answers = () => [...document.querySelectorAll("#answer input[name=categories]")];
  const blocks = () => [...document.querySelectorAll("input[name=block]")];
  const SUPPORTED = "supported";
  let lastBlock = null;

  function tell() {
    if (panel() && toggle()) toggle().setAttribute("aria-expanded", String(isOpen()));
  }

  function open() {
    panel().dataset.shown = "yes";
    tell();
    document.getElementById("sources-title").focus({ preventScroll: true });
    panel().scrollIntoView({ block: "nearest" });
  }

  function close() {
    panel().dataset.shown = "no";
    tell();
    toggle().focus();
  }

  function choose(value) {
    const answer = answers().find((box) => box.value === value);
    if (answer && !answer.checked) answer.click();
  }

  const wantsBlock = (form) => Boolean(form.querySelector(`input[name=categories][value=${SUPPORTED}]:checked`));

  // A block that is chosen supports the sentence; what is not supported is so by none.
  function agree(changed) {
    if (changed.name === "block") {
      lastBlock = changed.value;
      choose(SUPPORTED);
    } else if (changed.name === "categories") {
      const chosen = blocks().find((box) => box.checked);
      if (changed.value !== SUPPORTED && chosen) {
        lastBlock = chosen.value;
        chosen.checked = false;
      } else if (changed.value === SUPPORTED && !chosen && lastBlock !== null) {
        const back = blocks().find((box) => box.value === lastBlock);
        if (back) back.checked = true;
      }
    } else if (changed.name.startsWith("claim-") && changed.value === "no") {
      choose("not_supported");
    }
  }

  // An adjudicator takes an answer over with all that it says.
  document.addEventListener("review:take", (event) => {
    const said = event.target.dataset;
    if (said.takeBlock === undefined) return;
    const form = document.getElementById("answer");
    const claims = said.takeClaims.split(" ");
    for (const box of blocks()) box.checked = box.value === said.takeBlock && wantsBlock(form);
    form.elements.off_topic.checked = said.takeOffTopic !== undefined;
    for (const box of form.querySelectorAll("[name^=claim-]")) {
      box.checked = claims[Number(box.name.slice(6))] === box.value;
    }
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-sources-toggle]")) {
      if (isOpen()) close();
      else open();
    } else if (event.target.closest("[data-sources-close]")) {
      close();
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.form && event.target.form.id === "answer") agree(event.target);
  });
  document.addEventListener("keydown", (event) => {
    const inPanel = event.key === "Escape" && event.target.closest("#sources");
    if (inPanel && toggle() && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      close();
    }
  });

  function prepare() {
    lastBlock = null;
    tell();
  }

  document.addEventListener("htmx:afterSettle", (event) => { if (event.detail.elt.id === "work") prepare(); });
  document.addEventListener("DOMContentLoaded", prepare);
  window.addEventListener("resize", tell);
})();
