// The item after the one in hand: asked for while that is read, kept in memory alone, on screen with
// the key that answers. The answer travels meanwhile; where it is not taken, the screen it was given
// on comes back with everything that was entered. A second answer waits for the first one's reply.
"use strict";

(function () {
  const ASK_AFTER_MS = 150;
  const WHOLE = { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 };
  const sender = document.getElementById("sender");
  let kept = null;
  let question = null;
  let askTimer = 0;
  let underWay = null;
  let second = null;
  let whereTo = "";
  let shownAt = performance.now();
  let swappingHere = false;

  const work = () => document.getElementById("work");
  const isStale = (item) => performance.now() > item.freshUntil;

  // Asking and keeping. A page that gets nothing ahead works on: the next item comes with the reply.
  function forget() {
    kept = null;
    if (question) question.abort();
    question = null;
    window.clearTimeout(askTimer);
  }

  function askSoon() {
    forget();
    askTimer = window.setTimeout(ask, ASK_AFTER_MS);
  }

  async function ask() {
    const form = document.querySelector("#answer[data-ahead]");
    if (!form || underWay) return;
    const asked = new AbortController();
    question = asked;
    try {
      const body = proof(form);
      const reply = await fetch(form.dataset.ahead, { method: "POST", body, headers: { "HX-Request": "true" }, signal: asked.signal });
      const html = reply.status === 200 ? await reply.text() : "";
      if (question === asked) kept = read(html);
    } catch (failed) {
      // No connection, or no longer wanted.
    }
    if (question === asked) question = null;
  }

  function proof(form) {
    const body = new FormData();
    for (const name of ["csrfmiddlewaretoken", "lease_token"]) {
      body.set(name, form.querySelector(`input[name=${name}]`).value);
    }
    return body;
  }

  function read(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const form = page.getElementById("answer");
    if (!form) return null;
    const lease = page.getElementById("lease");
    return {
      html,
      task: form.dataset.task,
      token: form.querySelector("input[name=lease_token]").value,
      unused: form.dataset.unused,
      proof: proof(form),
      freshUntil: performance.now() + Number(lease.dataset.leaseWhole) * 1000 / 3,
      pictures: [...page.querySelectorAll("img[data-picture]")].map(decode),
    };
  }

  function decode(picture) {
    const early = new Image();
    early.src = picture.getAttribute("src");
    early.decode().catch(() => {}); // what cannot be shown is told where it is shown
    return early;
  }

  // Answering.
  document.addEventListener("htmx:confirm", (event) => {
    const form = event.detail.elt;
    if (form.id !== "answer") return;
    const button = event.detail.triggeringEvent?.submitter;
    if (underWay) {
      event.preventDefault();
      wait(form, button);
      return;
    }
    const next = kept;
    forget();
    if (!next || isStale(next)) return;
    event.preventDefault();
    send(form, button, next);
  });

  function send(form, button, next) {
    const values = new FormData(form);
    if (button?.name) values.set(button.name, button.value);
    values.set("ahead", next.task);
    values.set("ahead_token", next.token);
    const path = button?.getAttribute("formaction") || form.getAttribute("action");
    // Skipped and escalated items may come back, and with them what was entered.
    const passedOn = Boolean(button?.hasAttribute("formaction"));
    underWay = { task: form.dataset.task, passedOn, screen: work(), shownAt, next };
    form.dispatchEvent(new CustomEvent("review:under-way", { bubbles: true }));
    here(() => htmx.swap(underWay.screen, next.html, WHOLE));
    htmx.ajax("POST", path, { source: sender, target: "#statusbar", swap: "outerHTML", values }).catch(() => {});
  }

  function wait(form, button) {
    second = { form, button };
    form.dispatchEvent(new CustomEvent("review:waits", { bubbles: true }));
    form.inert = true;
    button?.setAttribute("aria-busy", "true");
  }

  function here(swap) {
    swappingHere = true;
    try { swap(); } finally { swappingHere = false; }
  }

  // Replies. What the server sends says where it goes: the status bar alone, or a whole screen.
  sender.addEventListener("htmx:beforeOnLoad", (event) => {
    const { status } = event.detail.xhr;
    const isRefused = status === 409 || status === 422;
    if (!underWay || (status >= 400 && !isRefused)) return;
    const isElsewhere = event.detail.xhr.getResponseHeader("HX-Redirect");
    if (!isRefused && !isElsewhere && !underWay.passedOn) {
      document.dispatchEvent(new CustomEvent("review:taken", { detail: underWay.task }));
    }
    underWay = null;
    if (isRefused || isElsewhere) [second, whereTo] = [null, ""];
  });

  sender.addEventListener("htmx:afterOnLoad", () => {
    if (underWay) return;
    const answer = second;
    second = null;
    if (whereTo) {
      window.location.assign(whereTo);
    } else if (answer?.form.isConnected) {
      answer.form.inert = false;
      answer.button?.removeAttribute("aria-busy");
      answer.form.requestSubmit(answer.button);
    } else if (!kept) {
      askSoon();
    }
  });

  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout", "htmx:sendAbort"]) {
    sender.addEventListener(name, bringBack);
  }

  function bringBack() {
    if (!underWay) return;
    const { screen, next } = underWay;
    const past = (performance.now() - underWay.shownAt) / 1000;
    [underWay, second, whereTo] = [null, null, ""];
    for (const [name, element] of [["leaseLeft", screen.querySelector("#lease")], ["undoLeft", screen.querySelector("[data-undo-left]")]]) {
      if (element) element.dataset[name] = String(Math.max(0, Number(element.dataset[name]) - past));
    }
    delete screen.dataset.announce; // what went wrong is told instead
    here(() => {
      work().replaceWith(screen);
      htmx.process(screen);
      htmx.trigger(screen, "htmx:afterSettle", {});
    });
    kept = next;
  }

  // Screens come and go.
  document.addEventListener("htmx:afterSettle", (event) => {
    const { id } = event.detail.elt;
    if (id !== "work") return;
    shownAt = performance.now();
    if (!swappingHere) askSoon();
  });
  document.addEventListener("DOMContentLoaded", askSoon);
  for (const kind of ["keydown", "pointerdown"]) {
    document.addEventListener(kind, () => { if (kept && isStale(kept)) askSoon(); }, { passive: true, capture: true });
  }

  // Leaving: not before the answer under way has been taken, and not with an item that nobody reads.
  document.addEventListener("click", (event) => {
    const link = underWay && event.target.closest("a[href]");
    if (!link || link.target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (!second) whereTo = link.href;
  }, true);
  window.addEventListener("beforeunload", (event) => { if (underWay) event.preventDefault(); });
  window.addEventListener("pagehide", () => {
    if (kept) navigator.sendBeacon(kept.unused, kept.proof);
    forget();
  });
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
})();
