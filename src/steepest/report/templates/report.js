"use strict";
(() => {
  const root = document.documentElement;
  const { figures, dark } = JSON.parse(document.getElementById("report-data").textContent);
  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  const each = (selector, act, within = document) => within.querySelectorAll(selector).forEach(act);
  const state = {};
  let printing = false;

  const remembered = () => {
    try { return window.localStorage.getItem("steepest-theme"); } catch { return null; }
  };
  const remember = (theme) => {
    try { window.localStorage.setItem("steepest-theme", theme); } catch { /* a private window */ }
  };
  const isDark = () =>
    !printing && (root.dataset.theme ? root.dataset.theme === "dark" : preferred.matches);

  // Figures are made in the light colours; each has a dark counterpart.
  const coloured = (value) => {
    if (typeof value === "string") return isDark() && value in dark ? dark[value] : value;
    if (Array.isArray(value)) return value.map(coloured);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, coloured(inner)]));
    }
    return value;
  };

  const config = {
    displaylogo: false,
    responsive: false,
    showTips: false,
    displayModeBar: false,
  };

  function draw(box) {
    if (!window.Plotly) return;
    const figure = coloured(figures[box.dataset.figure]);
    const own = (state[box.id] ??= { hidden: new Set(), whole: false });
    const touch = window.matchMedia("(pointer: coarse)").matches;
    const { layout } = figure;
    for (const trace of figure.data) {
      if (trace.meta && [trace.meta.name, ...(trace.meta.levels ?? [])].some((name) => own.hidden.has(name))) trace.visible = false;
    }
    if (own.whole) delete layout.yaxis.range;
    layout.width = box.clientWidth;
    layout.height = box.clientHeight;
    layout.dragmode = touch ? false : "zoom";
    if (box.clientWidth < 560) {
      layout.font.size = 12;
      layout.yaxis.title.standoff = 4;
    }
    if (box.classList.contains("matrix")) {
      layout.dragmode = false;
      const cells = figures[box.dataset.figure].data[0].x.length;
      const width = box.clientWidth / (cells + 5);
      if (width < 17) delete figure.data[0].texttemplate;
      else if (width < 26 && figure.data[0].textfont) figure.data[0].textfont.size = 8.5;
      if (box.clientWidth < 560 || cells > 20) {
        layout.xaxis.tickfont.size = layout.yaxis.tickfont.size = cells > 20 ? 9.5 : 10;
      }
    }
    window.Plotly.react(box, figure.data, layout, config);
  }
  const drawAll = () => each(".figure", draw);

  const press = (group, button) =>
    each("button", (other) => other.setAttribute("aria-pressed", String(other === button)), group);

  each("[data-axis]", (group) => each("button", (button) => button.addEventListener("click", () => {
    const box = document.getElementById(`figure-${group.dataset.axis}`);
    press(group, button);
    box.dataset.figure = button.dataset.figure;
    draw(box);
  }), group));

  each("[data-range]", (group) => each("button", (button) => button.addEventListener("click", () => {
    const box = document.getElementById(`figure-${group.dataset.range}`);
    press(group, button);
    state[box.id].whole = button.dataset.whole === "1";
    draw(box);
  }), group));

  // A click on a name hides its lines. Of many names, one button hides or shows all, to begin with none.
  const MANY = 6;
  each("[data-chips]", (group) => {
    const box = document.getElementById(`figure-${group.dataset.chips}`);
    const chips = [...group.querySelectorAll(".chip")];
    const show = (changed, shown) => {
      for (const chip of changed) {
        if (shown) state[box.id].hidden.delete(chip.dataset.name); else state[box.id].hidden.add(chip.dataset.name);
        chip.setAttribute("aria-pressed", String(shown));
      }
      draw(box);
    };
    for (const chip of chips) {
      chip.addEventListener("click", () => show([chip], state[box.id].hidden.has(chip.dataset.name)));
    }
    if (chips.length > MANY && !group.querySelector(".keys")) {
      for (const [text, shown] of [["show none", false], ["show all", true]]) {
        const button = document.createElement("button");
        Object.assign(button, { type: "button", className: "every", textContent: text });
        button.addEventListener("click", () => show(chips, shown));
        group.append(button);
      }
    }
  });

  each("[data-save]", (button) => button.addEventListener("click", () => {
    const box = document.getElementById(`figure-${button.dataset.save}`);
    const { clientWidth: width, clientHeight: height } = box;
    window.Plotly.downloadImage(box, { format: "svg", filename: `steepest-${button.dataset.save}`, width, height });
  }));

  function copyBySelection(code) {
    const range = document.createRange();
    range.selectNodeContents(code);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    const done = document.execCommand("copy");
    selection.removeAllRanges();
    return done;
  }
  each(".do-copy", (button) => button.addEventListener("click", async () => {
    const code = button.closest(".copy").querySelector("code");
    let done = false;
    try {
      await navigator.clipboard.writeText(code.textContent);
      done = true;
    } catch {
      done = copyBySelection(code);
    }
    button.textContent = done ? "copied" : "select and copy";
    window.setTimeout(() => { button.textContent = "copy"; }, 1600);
  }));

  // A title of a sortable table sorts by its column; a second click turns the order round.
  each("table.sortable", (table) => each("thead th", (title, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...title.childNodes);
    title.append(button);
    button.addEventListener("click", () => {
      const up = title.getAttribute("aria-sort") !== "ascending";
      each("thead th", (other) => other.removeAttribute("aria-sort"), table);
      title.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = table.tBodies[0];
      const key = (row) => {
        const { value } = row.cells[column].dataset;
        const found = value === undefined ? row.cells[column].textContent.trim() : value && Number(value);
        return found === "" || Number.isNaN(found) ? null : found;
      };
      const order = (one, other) =>
        typeof one === "number" && typeof other === "number" ? one - other
          : String(one).localeCompare(String(other), "en", { numeric: true });
      const rows = [...body.rows].map((row) => [key(row), row]);
      rows.sort(([one], [other]) => { // what is missing comes last, whatever the order
        if (one === null || other === null) return (one === null) - (other === null);
        return (up ? 1 : -1) * order(one, other);
      });
      body.append(...rows.map(([, row]) => row));
    });
  }, table));

  // Rows that have all words, or all words behind an "or".
  each("[data-filters]", (field) => field.addEventListener("input", () => {
    const rows = [...document.getElementById(field.dataset.filters).tBodies[0].rows];
    const parts = field.value.toLowerCase().split(/\s+or\s+|\|/).map((part) => part.split(/[\s,]+/).filter(Boolean)).filter((part) => part.length);
    for (const row of rows) {
      const text = [...row.cells].map((cell) => cell.textContent.trim().toLowerCase()).join(" ");
      row.hidden = parts.length > 0 && !parts.some((words) => words.every((word) => text.includes(word)));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    field.closest(".find").querySelector(".count").textContent = parts.length ? `${shown} of ${rows.length} rows` : "";
  }));

  const chosen = remembered();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    drawAll();
  });
  preferred.addEventListener("change", drawAll);

  // The boxes are watched, not the window: other things on the page also change their widths. Until a figure is redrawn
  // its box clips it, so that it does not make the page wider.
  let waiting = 0;
  const widths = new Map();
  const watch = new ResizeObserver((entries) => {
    const changed = entries.filter(({ target }) => widths.get(target) !== target.clientWidth);
    for (const { target } of changed) widths.set(target, target.clientWidth);
    if (!changed.length) return;
    window.clearTimeout(waiting);
    waiting = window.setTimeout(drawAll, 120);
  });
  window.addEventListener("beforeprint", () => { printing = true; drawAll(); });
  window.addEventListener("afterprint", () => { printing = false; drawAll(); });

  drawAll();
  each(".figure", (box) => { widths.set(box, box.clientWidth); watch.observe(box); });
  root.dataset.ready = "yes";
})();
