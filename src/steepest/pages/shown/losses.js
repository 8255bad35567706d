// needs: optimizers.js fits.js
steepest.view = (page) => {
  const { data } = page.content, NAMES = { squares: "least squares", absolute: "L1", huber: "Huber" };
  const SERIES = { squares: 1, absolute: 2, huber: 3 }, X = [-1.7, 1.2];
  const powers = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const power = (k) => (k === 0 ? "1" : k === 1 ? "x" : `x${[...String(k)].map((each) => powers[each]).join("")}`);
  let points = [], exact = {};

  /** The points with those that the reader moved: "1:-1.5,10;7:0,3". */
  function moved(text) {
    const found = data.x.map((x, i) => [x, data.y[i]]);
    for (const each of text.split(";")) {
      const parts = /^(\d+):(-?[\d.]+),(-?[\d.]+)$/.exec(each);
      if (parts && found[Number(parts[1]) - 1]) found[Number(parts[1]) - 1] = [Number(parts[2]), Number(parts[3])];
    }
    return found;
  }

  function move(i, x, y) {
    const now = points.map((each) => [...each]);
    now[i] = [Math.min(Math.max(x, X[0]), X[1]), Math.min(Math.max(y, -8), 12)];
    const text = now.flatMap(([a, b], k) => (a === data.x[k] && b === data.y[k] ? [] : [`${k + 1}:${Number(a.toFixed(3))},${Number(b.toFixed(3))}`]));
    page.set({ point: i + 1, moved: text.join(";") });
  }

  const curve = (coefficients) => steepest.range(161, (i) => {
    const x = X[0] + ((X[1] - X[0]) * i) / 160;
    return [x, steepest.polynomial(coefficients, x)];
  });

  function listen(figure) {
    const place = figure.querySelector(".plot");
    Object.assign(place, { tabIndex: 0 });
    place.classList.add("drag");
    place.setAttribute("role", "application");
    place.setAttribute("aria-label", "Points: arrow keys move the point in focus, Page Up and Page Down choose another");
    let held = -1;
    place.addEventListener("pointerdown", (event) => {
      if (event.target.dataset?.id === undefined) return;
      held = Number(event.target.dataset.id);
      place.setPointerCapture(event.pointerId);
      page.set({ point: held + 1 });
    });
    place.addEventListener("touchstart", (event) => {  // the point is drawn anew while it moves: the finger would go on to scroll
      if (event.target.dataset?.id !== undefined) event.preventDefault();
    }, { passive: false });
    place.addEventListener("pointermove", (event) => { if (held >= 0) move(held, ...steepest.pointed(figure, event)); });
    for (const each of ["pointerup", "pointercancel"]) place.addEventListener(each, () => { held = -1; });
    place.addEventListener("keydown", (event) => {
      const i = page.state.point - 1, [x, y] = points[i];
      const to = { ArrowLeft: [x - 0.05, y], ArrowRight: [x + 0.05, y], ArrowUp: [x, y + 0.25], ArrowDown: [x, y - 0.25] }[event.key];
      if (to) move(i, ...to);
      else if (event.key === "PageUp" || event.key === "PageDown") page.set({ point: page.state.point + (event.key === "PageDown" ? 1 : -1) });
      else return;
      event.preventDefault();
    });
  }

  let known = "";
  const view = {
    chosen(name, value) {
      if (name !== "loss" && name !== "rule") return {};
      const now = { ...page.state, [name]: value };
      return { lr: data.rates[now.rule][now.loss] };
    },
    update(to, state) {
      points = moved(state.moved);
      const { loss: kind, degree, delta, steps } = state, problem = steepest.fitted(points, degree);
      const key = [state.moved, degree, delta].join("|");
      if (key !== known) {
        exact = Object.fromEntries(Object.keys(NAMES).map((each) => [each, steepest.fit(points, degree, each, delta)]));
        known = key;
      }
      const { rule, hyper } = data.rules[state.rule];
      const path = steepest.walk(rule, { ...hyper, lr: state.lr }, (w) => problem.gradient(w, kind, delta), Array(degree + 1).fill(0), steps, (i) => (state.falls === "yes" ? 1 / (i + 1) : 1));
      const values = path.map((w) => problem.loss(w, kind, delta)), lowest = problem.loss(exact[kind], kind, delta), end = path[steps];
      steepest.paths = { path, exact, values };
      const figure = to.figure("points", "Points and fits");
      figure.classList.add("foremost", "broad");
      if (!view.listening) { view.listening = true; listen(figure); }
      const high = Math.max(11, ...points.map((each) => each[1] + 1)), low = Math.min(-7.5, ...points.map((each) => each[1] - 1));
      steepest.plot(figure, {
        label: `${points.length} points, the exact fits of three losses, and the fit of the descent.`,
        x: { title: "x", range: X }, y: { title: "y", range: [low, high] }, height: () => 360,
        lines: [
          ...Object.keys(NAMES).map((each) => ({ name: `${NAMES[each]}, exact`, series: SERIES[each], points: curve(exact[each]), dash: each === kind ? "dash" : "dot", width: each === kind ? 2.6 : 1.8 })),
          { name: `descent on ${NAMES[kind]}`, series: 0, points: curve(end), width: 2.2 },
        ],
        marks: points.map(([x, y], i) => ({ x, y, series: "faint", size: 3.6, id: i, chosen: i === state.point - 1 })),
      });

      const rest = exact[kind].slice(2), others = end.slice(2);
      const plane = [[-4, 4], [-3, 7]];
      const field = steepest.surface(41, 41, ...plane, (a, b) => problem.loss([a, b, ...others], kind, delta));
      field.levels = [-1, ...steepest.levels(field.values, 11, 2)];
      const off = Math.hypot(...others);
      const surface = to.figure("surface", "The loss and the path", degree > 1
        ? `The plane of the first two coefficients, where the others are as at the end of the path. The start is ${steepest.number(off, 3)} away from this plane and the exact optimum ${steepest.number(Math.hypot(...rest.map((each, i) => each - others[i])), 3)}: both are seen from above.`
        : "A line has two coefficients: this is all of the loss.");
      steepest.plot(surface, {
        label: `The loss over intercept and slope, with the path of the descent and the exact optimum.`,
        x: { title: "intercept", range: plane[0] }, y: { title: "slope", range: plane[1] }, field, height: (width) => Math.min(width, 400),
        lines: [{ name: "descent", series: 0, points: path.map((each) => each.slice(0, 2)), dots: true, width: 1.6 }],
        marks: [{ x: 0, y: 0, shape: "ring", text: "start" }, { x: exact[kind][0], y: exact[kind][1], shape: "cross", text: "exact" }],
      });
      const gaps = values.map((each, i) => [i, each - lowest]);
      const finite = gaps.map((each) => each[1]).filter((each) => Number.isFinite(each) && each > 0);
      const gap = to.figure("gap", "Loss above the optimum");
      steepest.plot(gap, {
        label: "Loss above the exact optimum by step.",
        x: { title: "step", range: [0, steps] },
        y: { title: "loss − optimum", range: [10 ** Math.floor(Math.log10(Math.max(Math.min(...finite, 0.1), 1e-15))), 10 ** Math.min(Math.ceil(Math.log10(Math.max(...finite, 0.1))), 6)], log: true },
        height: (width) => Math.min(width, 400), lines: [{ series: 0, points: gaps }],
      });
      const list = (w) => w.map((each) => steepest.number(each, 5)).join(", ");
      to.say([
        { label: `Descent on ${NAMES[kind]}`, series: 0, value: steepest.number(values[steps], 6), note: `${steepest.number(values[steps] - lowest, 3)} above the optimum, at (${list(end.slice(0, 4))}${degree > 3 ? ", …" : ""})` },
        ...Object.keys(NAMES).map((each) => ({ label: `${NAMES[each]}, exact`, series: SERIES[each], value: steepest.number(problem.loss(exact[each], each, delta), 7), note: `(${list(exact[each].slice(0, 4))}${degree > 3 ? ", …" : ""})` })),
        { label: "Point in focus", value: `(${points[state.point - 1].map((each) => steepest.number(each, 3)).join(", ")})` },
      ]);
      to.buttons([{ text: "Move all points back", run: () => page.set({ moved: "" }) }]);
      to.rows(
        path.map((w, i) => ({ step: i, loss: values[i], gap: values[i] - lowest, ...w })),
        [{ key: "step", title: "step" }, { key: "loss", title: "loss", digits: 6 }, { key: "gap", title: "loss − optimum", digits: 3 },
          ...steepest.range(degree + 1, (k) => ({ key: k, title: `coefficient of ${power(k)}`, digits: 5 }))],
      );
    },
  };
  return view;
};
