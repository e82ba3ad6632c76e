// Follows the login of this window, so that the page changes at the moment of the answer, and counts the
// seconds. Without it the page loads itself again every few seconds.
"use strict";

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function follow() {
  const shown = document.querySelector("[data-desktop]")?.dataset.desktop;
  for (;;) {
    try {
      const answer = await fetch("/example/status?wait=25", { cache: "no-store" });
      const login = await answer.json();
      const changed = shown !== undefined && login.desktop && login.desktop !== shown;
      if (login.state !== "pending" || changed) {
        location.replace("/example/");
        return;
      }
    } catch {
      await pause(2000);
    }
  }
}

function count(place) {
  const bar = place.querySelector("progress");
  const words = place.querySelector("span");
  const end = performance.now() + Number(place.dataset.leftMs);
  const tick = () => {
    const left = Math.max(0, end - performance.now());
    const seconds = Math.ceil(left / 1000);
    bar.value = left;
    words.textContent = seconds === 1 ? "1 second left" : `${seconds} seconds left`;
    if (left > 0) {
      setTimeout(tick, 250);
    }
  };
  tick();
}

document.querySelectorAll("[data-left-ms]").forEach(count);
follow();
