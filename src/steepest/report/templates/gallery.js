"use strict";
(() => {
  const grid = document.getElementById("gallery");
  const choice = document.getElementById("gallery-class");
  const pages = document.getElementById("gallery-pages");
  const [before, after] = pages.querySelectorAll("button");
  const size = Number(grid.dataset.page);
  let page = 0;

  function turn() {
    const chosen = [...grid.children].filter((each) => !choice?.value || each.dataset.class === choice.value);
    const last = Math.max(0, Math.ceil(chosen.length / size) - 1);
    page = Math.min(Math.max(page, 0), last);
    const shown = new Set(chosen.slice(page * size, (page + 1) * size));
    for (const each of grid.children) each.hidden = !shown.has(each);
    pages.hidden = last === 0;
    pages.querySelector("span").textContent =
      `${page * size + 1}–${page * size + shown.size} of ${chosen.length.toLocaleString("en")}`;
    before.disabled = page === 0;
    after.disabled = page === last;
  }
  choice?.addEventListener("change", () => { page = 0; turn(); });
  before.addEventListener("click", () => { page -= 1; turn(); });
  after.addEventListener("click", () => { page += 1; turn(); });
  turn();
})();
