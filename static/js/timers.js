// Time on the page: active milliseconds, the lease and its renewal, the undo window.
// Only spans are taken from the server, so a wrong clock on this device changes nothing.
"use strict";

(function () {
  const IDLE_MS = 60000;
  let active = 0;
  let lastTick = performance.now();
  let lastSign = performance.now();
  let signSinceRenewal = false;
  let lease = null;
  let undo = null;

  const clock = (seconds) => {
    const whole = Math.max(0, Math.ceil(seconds));
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  };

  function takeLease() {
    const element = document.getElementById("lease");
    lease = element && {
      element,
      ends: performance.now() + Number(element.dataset.leaseLeft) * 1000,
      whole: Number(element.dataset.leaseWhole) * 1000,
    };
    signSinceRenewal = false;
  }

  function takeUndo() {
    const element = document.querySelector("[data-undo-left]");
    undo = element && { element, ends: performance.now() + Number(element.dataset.undoLeft) * 1000 };
    showUndo();
  }

  function showLease(now) {
    if (!lease || !lease.element.isConnected) return;
    const left = lease.ends - now;
    const short = lease.element.querySelector("[data-lease-short]");
    const over = lease.element.querySelector("[data-lease-over]");
    // Somebody who works keeps the item; somebody who has left does not.
    if (signSinceRenewal && left < lease.whole * 0.6 && left > 0) {
      signSinceRenewal = false;
      htmx.trigger(lease.element, "submit");
      return;
    }
    short.hidden = left > Math.min(120000, lease.whole * 0.25) || left <= 0;
    over.hidden = left > 0;
    short.querySelector("[data-lease-clock]").textContent = clock(left / 1000);
  }

  function showUndo() {
    if (!undo || !undo.element.isConnected) return;
    const left = (undo.ends - performance.now()) / 1000;
    // Over: the verdict has been passed on, and the button would promise what it cannot do.
    undo.element.hidden = left <= 0;
    undo.element.querySelector("[data-undo-clock]").textContent = `${Math.max(0, Math.ceil(left))} s`;
  }

  function tick() {
    const now = performance.now();
    const seen = document.visibilityState === "visible" && now - lastSign < IDLE_MS;
    if (seen) active += Math.min(now - lastTick, 1000);
    lastTick = now;
    showLease(now);
    showUndo();
  }

  function sign() {
    lastSign = performance.now();
    signSinceRenewal = true;
  }

  function begin() {
    const field = document.querySelector("#answer input[name=active_ms], #batch input[name=active_ms]");
    active = field ? Number(field.value) || 0 : 0;
    takeLease();
    takeUndo();
  }

  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
    document.addEventListener(kind, sign, { passive: true, capture: true });
  }
  document.addEventListener("submit", (event) => {
    tick();
    const field = event.target.querySelector("input[name=active_ms]");
    if (field) field.value = String(Math.round(active));
  }, true);
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id === "lease") takeLease();
    else if (event.detail.elt.id === "statusbar") takeUndo();
    else if (event.detail.elt.id === "work") begin();
  });
  document.addEventListener("DOMContentLoaded", begin);
  window.setInterval(tick, 500);
})();
