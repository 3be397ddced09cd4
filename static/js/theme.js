// Before the first paint, so that a chosen theme does not flash.
"use strict";
(function () {
  try {
    const theme = window.localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (refused) {
    // Storage is switched off: the system's theme stays.
  }
})();
