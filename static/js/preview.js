// The preview beside a draft's fields: say when its figures could not be counted.
"use strict";

(() => {
  const failed = document.getElementById("preview-failed");
  const tell = (hasFailed) => { failed.hidden = !hasFailed; };

  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    document.addEventListener(name, () => tell(true));
  }
  document.addEventListener("htmx:beforeSwap", (event) => {
    // An expired session answers with the page to sign in, which is no preview.
    const isPreview = event.detail.serverResponse.includes('id="preview-part"');
    if (!isPreview) event.detail.shouldSwap = false;
    tell(!isPreview);
  });
})();
