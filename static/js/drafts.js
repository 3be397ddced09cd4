// What somebody chose and typed survives a reload, a lost connection and an expired session:
// it is kept in this tab until the answer has been taken, and is nobody else's who signs in here.
"use strict";

(function () {
  const name = (task) => `draft-${document.getElementById("work").dataset.person}-${task}`;
  // What belongs to a drafted sentence: its block, its claims, off topic.
  const kept = (form) => [...form.elements].filter((box) => box.matches("[data-kept]"));
  const sign = (box) => `${box.name}=${box.value}`;
  let sent = "";

  function keep(form) {
    const draft = {
      mode: form.dataset.mode,
      categories: [...form.querySelectorAll("input[name=categories]:checked")].map((box) => box.value),
      proposed: form.querySelector("#proposed-name").value,
      kept: kept(form).filter((box) => box.checked).map(sign),
      comment: form.querySelector("#comment").value,
    };
    try { window.sessionStorage.setItem(name(form.dataset.task), JSON.stringify(draft)); } catch (refused) { /* no storage */ }
  }

  function drop(task) {
    try { window.sessionStorage.removeItem(name(task)); } catch (refused) { /* no storage */ }
  }

  function restore() {
    const form = document.getElementById("answer");
    if (sent && (!form || form.dataset.task !== sent)) drop(sent);
    sent = "";
    if (!form) return;
    let draft = null;
    try { draft = JSON.parse(window.sessionStorage.getItem(name(form.dataset.task)) || "null"); } catch (refused) { return; }
    if (!draft) return;
    const button = form.querySelector(`[data-mode-button][value="${CSS.escape(draft.mode)}"]`);
    if (button && form.dataset.mode !== draft.mode) button.click();
    for (const box of form.querySelectorAll("input[name=categories]")) {
      box.checked = draft.categories.includes(box.value);
    }
    for (const box of kept(form)) box.checked = draft.kept.includes(sign(box));
    form.querySelector("#proposed-name").value = draft.proposed;
    form.querySelector("#comment").value = draft.comment;
    if (draft.comment) form.querySelector("[data-comment]").open = true;
    document.dispatchEvent(new CustomEvent("review:restored"));
  }

  function changed(event) {
    const form = event.target.form;
    if (form && form.id === "answer" && !event.target.matches("[data-search]")) keep(form);
  }

  document.addEventListener("input", changed);
  document.addEventListener("change", changed);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-mode-button], [data-take]")) keep(document.getElementById("answer"));
  });
  document.addEventListener("submit", (event) => {
    // Skipped and escalated items may come back, and with them what was entered.
    const passedOn = event.submitter?.hasAttribute("formaction");
    if (event.target.id === "answer" && !passedOn) sent = event.target.dataset.task;
  }, true);
  // The next item is shown before this answer has been taken, or this one waits for the answer
  // before it: kept until it has been.
  for (const kind of ["review:under-way", "review:waits"]) {
    document.addEventListener(kind, (event) => {
      keep(event.target);
      sent = "";
    });
  }
  document.addEventListener("review:taken", (event) => drop(event.detail));
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id === "work") restore();
  });
  document.addEventListener("DOMContentLoaded", restore);
})();
