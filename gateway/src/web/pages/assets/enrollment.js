// Copies the activation string, and turns the page over once the token is on a computer. Without it the string is
// selected and copied by hand, and the link "See whether it worked" does the rest.
"use strict";

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function copying() {
  const button = document.getElementById("copy");
  const text = document.getElementById("activation");
  const said = document.getElementById("copied");
  if (!button || !text || !navigator.clipboard) {
    return;
  }
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.value);
      button.textContent = "Copied";
      said.textContent = "The activation string was copied.";
    } catch {
      text.focus();
      text.select();
      said.textContent = "The browser does not let this page copy. The string is selected: copy it with Ctrl+C.";
      said.classList.remove("sr");
    }
    await pause(4000);
    button.textContent = "Copy";
  });
}

async function follow() {
  const place = document.getElementById("waiting");
  if (!place) {
    return;
  }
  place.textContent = "This page waits for your computer.";
  const standing = `${location.pathname}/standing`;
  for (;;) {
    await pause(document.hidden ? 10000 : 2000);
    try {
      const answer = await fetch(standing, { cache: "no-store" });
      if (answer.ok && (await answer.text()) !== "open") {
        location.reload();
        return;
      }
    } catch {
      // The next round asks again.
    }
  }
}

copying();
follow();
