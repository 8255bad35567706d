// needs: optimizers.js
/** The valleys: height and gradient at (x, y). */
steepest.valleys = {
  narrow: { height: (x, y) => 0.5 * (x * x + 20 * y * y), slope: ([x, y]) => [x, 20 * y] },
  curved: {
    height: (x, y) => (1 - x) ** 2 + 10 * (y - x * x) ** 2,
    slope: ([x, y]) => [-2 * (1 - x) - 40 * x * (y - x * x), 20 * (y - x * x)],
  },
  kink: { height: (x, y) => Math.abs(x) + 4 * Math.abs(y), slope: ([x, y]) => [Math.sign(x), 4 * Math.sign(y)] },
  saddle: { height: (x, y) => 0.5 * x * x - 0.5 * y * y + 0.25 * y ** 4, slope: ([x, y]) => [x, y ** 3 - y] },
  four: {
    height: (x, y) => (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2,
    slope: ([x, y]) => {
      const a = x * x + y - 11, b = x + y * y - 7;
      return [4 * x * a + 2 * b, 2 * a + 4 * y * b];
    },
  },
};

steepest.view = (page) => {
  const { data } = page.content, [low, high, step] = data.rates;
  const exponents = steepest.range(Math.round((high - low) / step) + 1, (i) => low + i * step);
  const fields = {};

  const walk = (name, lr, key, start, steps) => {
    const { rule, hyper } = data.rules[name];
    return steepest.walk(rule, { ...hyper, lr }, steepest.valleys[key].slope, start, steps);
  };

  function inside(path, key) {
    const [left, right, bottom, top] = data.valleys[key].box;
    return path.every(([x, y]) => left <= x && x <= right && bottom <= y && y <= top);
  }

  /** The logarithm of the rate whose path stays in the frame and ends lowest; of none, the smallest one. */
  function best(name, key, start, steps) {
    let found = low, least = Infinity;
    for (const each of exponents) {
      const path = walk(name, 10 ** each, key, start, steps);
      if (!inside(path, key)) continue;
      const end = steepest.valleys[key].height(...path[steps]);
      if (end < least) { least = end; found = each; }
    }
    return found;
  }

  function field(key) {
    if (!fields[key]) {
      const [left, right, bottom, top] = data.valleys[key].box, { lowest } = data.valleys[key];
      fields[key] = steepest.surface(61, 61, [left, right], [bottom, top], steepest.valleys[key].height);
      const high = [...fields[key].values].sort((a, b) => a - b)[Math.floor(0.9 * 61 * 61)];
      fields[key].levels = [lowest - 1e9, ...steepest.levels([], 11, 2.2, lowest, high)];
    }
    return fields[key];
  }

  const view = {
    chosen(name, value) {
      if (name === "valley") { const [x, y] = data.valleys[value].start; return { x, y }; }
      return name === "lrA" || name === "lrB" ? { rates: "own" } : {};
    },
    update(to, state) {
      const { valley: key, steps } = state, start = [state.x, state.y], { box, lowest, problem } = data.valleys[key];
      if (state.rates === "best") {
        state.lrA = best(state.a, key, start, steps);
        state.lrB = best(state.b, key, start, steps);
        to.derive({ lrA: state.lrA, lrB: state.lrB });
      }
      const { height } = steepest.valleys[key];
      const paths = [walk(state.a, 10 ** state.lrA, key, start, steps), walk(state.b, 10 ** state.lrB, key, start, steps)];
      const names = [state.a, state.b], above = paths.map((path) => path.map((each) => height(...each) - lowest));
      steepest.paths = paths;
      const figure = to.figure("valley", "The valley and both paths", "The bluer, the higher. Click, or tap, to start there.");
      figure.classList.add("foremost", "broad");
      figure.querySelector(".plot").classList.add("pick");
      steepest.plot(figure, {
        label: `The valley ${problem} with the paths of ${names.join(" and ")}, from (${start.join(", ")}).`,
        x: { title: "x", range: box.slice(0, 2) }, y: { title: "y", range: box.slice(2) }, field: field(key),
        height: (width) => Math.max(260, Math.min(width * 0.66, 480)),
        lines: paths.map((points, i) => ({ name: names[i], series: i, points, dash: i ? "dash" : "solid", dots: true })),
        marks: [{ x: start[0], y: start[1], shape: "ring", name: "start" }, ...paths.map((path, i) => ({ x: path[steps][0], y: path[steps][1], shape: i ? "square" : "circle", series: i, size: 6 }))],
      });
      const finite = above.flat().filter((each) => Number.isFinite(each) && each > 0);
      const top = Math.min(10 ** Math.ceil(Math.log10(Math.max(...finite, 1e-3))), 1e6), floor = Math.max(Math.min(...finite, 1e-3), 1e-16);
      const losses = to.figure("loss", "Loss above the lowest point, by step");
      losses.classList.add("broad");
      steepest.plot(losses, {
        label: `Loss above the lowest point by step, of ${names.join(" and ")}.`,
        x: { title: "step", range: [0, steps] }, y: { title: "loss − lowest", range: [10 ** Math.floor(Math.log10(floor)), top], log: true },
        height: () => 250,
        lines: above.map((values, i) => ({ name: names[i], series: i, dash: i ? "dash" : "solid", points: values.map((each, k) => [k, each]) })),
      });
      to.say(names.map((name, i) => ({
        label: `${i ? "Second" : "First"}: ${name}`, series: i, value: steepest.number(above[i][steps], 3),
        note: `above the lowest point, at (${paths[i][steps].map((each) => steepest.number(each, 3)).join(", ")})`,
      })));
      to.note(state.rates === "best" && !paths.every((path) => inside(path, key))
        ? "No rate keeps the path in the frame from here; the smallest is shown." : "");
      to.rows(steepest.range(steps + 1, (i) => ({
        step: i, x1: paths[0][i][0], y1: paths[0][i][1], loss1: above[0][i] + lowest,
        x2: paths[1][i][0], y2: paths[1][i][1], loss2: above[1][i] + lowest,
      })));
      if (!view.listening) {
        view.listening = true;
        figure.querySelector(".plot").addEventListener("click", (event) => {
          const [x, y] = steepest.pointed(figure, event);
          to.set({ x: Math.min(Math.max(x, figure.spec.x.range[0]), figure.spec.x.range[1]), y: Math.min(Math.max(y, figure.spec.y.range[0]), figure.spec.y.range[1]) });
        });
      }
    },
  };
  return view;
};
