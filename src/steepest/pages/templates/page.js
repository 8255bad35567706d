/** Controls, address, table and exercises of a page; its view computes and draws. */
steepest.begin = () => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const byName = new Map(content.controls.map((each) => [each.name, each]));
  const root = document.documentElement, stage = document.getElementById("stage");
  const state = Object.fromEntries(content.controls.map((each) => [each.name, each.default]));
  const derived = new Set();
  let asked = 0, remembering = 0, saying = 0;

  /** The nearest value that a control has, or null. */
  function allowed(control, value) {
    if (control.kind === "hidden") return String(value);
    if (control.kind === "choice") return control.options.some((each) => each.value === value) ? value : null;
    const number = Number(value);
    if (value === "" || !Number.isFinite(number)) return null;
    const stops = Math.round((Math.min(Math.max(number, control.low), control.high) - control.low) / control.step);
    return Number(Math.min(control.low + stops * control.step, control.high).toFixed(9));
  }

  const value = (name) => (byName.get(name).log ? 10 ** state[name] : state[name]);
  const words = (control) => `${steepest.number(control.log ? 10 ** state[control.name] : state[control.name], 3)}${control.unit && ` ${control.unit}`}`;

  function show(control) {
    const input = document.getElementById(`control-${control.name}`);
    if (!input) return;
    if (input.value !== String(state[control.name])) input.value = String(state[control.name]);
    if (control.kind !== "range") return;
    document.getElementById(`value-${control.name}`).textContent = words(control);
    input.setAttribute("aria-valuetext", words(control));
  }

  function remember() {
    const changed = content.controls.filter((each) => state[each.name] !== each.default && !derived.has(each.name));
    const text = changed.map((each) => `${each.name}=${encodeURIComponent(state[each.name])}`).join("&");
    try { window.history.replaceState(null, "", text ? `#${text}` : "#"); } catch { /* a frame without an address */ }
  }

  function draw() {
    asked = 0;
    derived.clear();
    page.note("");
    view.update(page, { ...state });
    for (const each of content.controls) show(each);
    root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
  }

  /** Change settings; what a control does not have is ignored. */
  function set(changes) {
    for (const [name, wanted] of Object.entries(changes)) {
      const control = byName.get(name), found = control ? allowed(control, wanted) : null;
      if (found !== null) state[name] = found;
    }
    asked ||= window.requestAnimationFrame(draw);
    window.clearTimeout(remembering);
    remembering = window.setTimeout(remember, 150);
  }

  const page = {
    content, set, value, state,
    /** Settings that follow from the others: they are shown and not kept in the address. */
    derive(changes) {
      Object.assign(state, changes);
      for (const name of Object.keys(changes)) derived.add(name);
    },
    /** A figure of the stage; its place in the stage is that of the first call. */
    figure(id, title, caption = "") {
      let found = document.getElementById(`figure-${id}`);
      if (!found) {
        found = document.createElement("figure");
        found.id = `figure-${id}`;
        found.className = "card";
        found.innerHTML = "<figcaption><h2></h2></figcaption><div class=\"keys\"></div><div class=\"plot\"></div><p class=\"caption\"></p>";
        document.getElementById("figures").append(found);
      }
      const head = found.querySelector("h2"), text = found.querySelector(".caption");
      if (head.textContent !== title) head.textContent = title;
      if (text.textContent !== caption) text.textContent = caption;
      text.hidden = !caption;
      return found;
    },
    /** The numbers beside the figures: [{label, value, note, series}]. */
    say(numbers) {
      document.getElementById("numbers").innerHTML = numbers.map((each) =>
        `<div><dt>${each.series === undefined ? "" : `<i class="swatch" style="--c:var(--series-${each.series})"></i>`}${steepest.escape(each.label)}</dt><dd>${steepest.escape(each.value)}${each.note ? `<small>${steepest.escape(each.note)}</small>` : ""}</dd></div>`).join("");
      window.clearTimeout(saying);
      saying = window.setTimeout(() => {
        document.getElementById("said").textContent = numbers.slice(0, 4).map((each) => `${each.label}: ${each.value}`).join(". ");
      }, 700);
    },
    note(text) {
      const place = document.getElementById("note");
      place.textContent = text;
      place.hidden = !text;
    },
    /** The table: a record for each row, by the keys of the columns. */
    rows(rows, columns = content.columns) {
      const cell = (each) => `<th scope="col" class="n">${steepest.escape(each.title)}</th>`;
      const line = (row) => `<tr>${columns.map((each) => `<td class="n">${steepest.number(row[each.key], each.digits)}</td>`).join("")}</tr>`;
      document.getElementById("table").innerHTML = `<thead><tr>${columns.map(cell).join("")}</tr></thead><tbody>${rows.map(line).join("")}</tbody>`;
    },
    /** Buttons under the controls: [{text, run}]. */
    buttons(list) {
      const place = document.getElementById("buttons");
      place.replaceChildren(...list.map(({ text, run }) => {
        const made = document.createElement("button");
        Object.assign(made, { type: "button", className: "press", textContent: text });
        made.addEventListener("click", run);
        return made;
      }));
      place.hidden = !list.length;
    },
  };

  for (const control of content.controls) {
    const input = document.getElementById(`control-${control.name}`);
    input?.addEventListener("input", () => {
      set({ [control.name]: input.value, ...view.chosen?.(control.name, input.value) });
    });
  }
  document.getElementById("reset").addEventListener("click", () => set(Object.fromEntries(content.controls.map((each) => [each.name, each.default]))));

  function read(hash) {
    const found = {};
    for (const part of hash.slice(1).split("&")) {
      const [name, text = ""] = part.split("=");
      try { if (byName.has(name)) found[name] = decodeURIComponent(text); } catch { /* a broken address */ }
    }
    return found;
  }
  window.addEventListener("hashchange", (event) => set({ ...Object.fromEntries(content.controls.map((each) => [each.name, each.default])), ...read(new URL(event.newURL).hash) }));

  content.exercises.forEach((exercise, i) => {
    const form = document.getElementById(`exercise-${i}`), answer = form.querySelector(".answer");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const guess = new FormData(form).get("guess");
      answer.hidden = false;
      if (guess === null || String(guess).trim() === "" || (exercise.value !== null && !Number.isFinite(Number(guess)))) {
        answer.textContent = exercise.value === null ? "Choose one first." : "Write a number first: a wrong guess teaches more than none.";
        return;
      }
      const label = (text) => exercise.options.find((each) => each.value === text).label;
      const right = exercise.value === null ? guess === exercise.right
        : Math.abs(Number(guess) - exercise.value) <= exercise.within * Math.abs(exercise.value);
      const said = exercise.value === null ? label(guess) : steepest.number(Number(guess), 4);
      const found = exercise.value === null ? label(exercise.right)
        : `${steepest.number(exercise.value, 3)}${exercise.unit && ` ${exercise.unit}`}`;
      answer.innerHTML = `<b>${right ? "Right" : "Not so"}</b>: you guessed ${steepest.escape(said)}, it is ${steepest.escape(found)}. ${steepest.escape(exercise.answer)}`;
      for (const each of form.querySelectorAll("input, .guess")) each.disabled = true;
      form.querySelector(".guess").hidden = true;
      const button = form.querySelector(".see");
      if (button) button.hidden = false;
    });
    form.querySelector(".see")?.addEventListener("click", () => {
      set({ ...Object.fromEntries(content.controls.map((each) => [each.name, each.default])), ...exercise.show });
      stage.scrollIntoView();
    });
  });

  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = window.localStorage.getItem("steepest-theme"); } catch { /* a private window */ }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : preferred.matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { window.localStorage.setItem("steepest-theme", root.dataset.theme); } catch { /* a private window */ }
  });

  const view = steepest.view(page);
  steepest.page = page;
  set(read(window.location.hash));
  window.cancelAnimationFrame(asked);
  draw();
  root.dataset.ready = "yes";
};
