// needs: optimizers.js
steepest.curve = {
  height: (x) => x ** 4 + x ** 3 - 2 * x ** 2 - 2 * x,
  slope: (x) => 4 * x ** 3 + 3 * x ** 2 - 4 * x - 2,
};

/** The places of a descent, and the noise that was added to the slope of each step. */
steepest.descent = ({ start, lr, first, count, noise, seed, steps }) => {
  const draw = steepest.normal(seed), drawn = steepest.range(steps, () => (noise ? noise * draw() : 0));
  const path = steepest.walk("sgd", { lr, momentum: 0, weight_decay: 0 }, ([x], step) => [steepest.curve.slope(x) + drawn[step]], [start], steps, (step) => (step < count ? first / lr : 1));
  return { path: path.map(([x]) => x), noise: drawn };
};

steepest.view = (page) => {
  const { minima, between, lowest } = page.content.data, LEFT = -2.2, RIGHT = 1.8, MANY = 200;
  const curve = steepest.range(241, (i) => { const x = LEFT + ((RIGHT - LEFT) * i) / 240; return [x, steepest.curve.height(x)]; });
  const last = (found) => found.path[found.path.length - 1];
  const place = (x) => (!Number.isFinite(x) ? "none: it diverged" : x < between ? "the shallower" : "the deeper");

  /** Which starts end on which side without noise, as bands. */
  function basins(settings) {
    const bands = [], steps = 120;
    for (let i = 0; i < steps; i += 1) {
      const from = LEFT + ((RIGHT - LEFT) * i) / steps, to = LEFT + ((RIGHT - LEFT) * (i + 1)) / steps;
      const x = last(steepest.descent({ ...settings, start: (from + to) / 2, noise: 0 }));
      if (Number.isFinite(x)) bands.push({ from, to, series: x < between ? 1 : 2 });
    }
    return bands;
  }

  const view = {
    update(to, state) {
      const settings = { ...state, lr: 10 ** state.lr, first: 10 ** state.first };
      const found = steepest.descent(settings), { path } = found, x = last(found);
      steepest.paths = found;
      const points = path.map((each) => [each, steepest.curve.height(each)]);
      const figure = to.figure("curve", "The curve and the path", "The strip at the bottom: where a descent without noise ends that starts there, orange in the shallower minimum, green in the deeper one. Click, or tap, to start elsewhere.");
      figure.classList.add("foremost", "broad");
      figure.querySelector(".plot").classList.add("pick");
      steepest.plot(figure, {
        label: `The curve with the places of ${state.steps} steps from ${state.start}, which end at ${steepest.number(x, 4)}.`,
        x: { title: "x", range: [LEFT, RIGHT] }, y: { title: "loss", range: [-3, 4] }, height: () => 330, bands: basins(settings),
        lines: [{ series: "faint", points: curve, width: 1.8 }, { name: "steps", series: 0, points, width: 1.1, dots: true }],
        marks: [
          { x: minima[0], y: steepest.curve.height(minima[0]), shape: "cross", series: 1, text: steepest.number(minima[0], 4) },
          { x: minima[1], y: lowest, shape: "cross", series: 2, text: steepest.number(minima[1], 3) },
          { ...{ x: points[0][0], y: points[0][1] }, shape: "ring", series: 0, name: "start" },
          { x, y: steepest.curve.height(x), shape: "square", series: 0, name: "end" },
        ],
      });
      const steps = to.figure("steps", "The path by step");
      steps.classList.add("broad");
      steepest.plot(steps, {
        label: "x by step, with both minima.", height: () => 240,
        x: { title: "step", range: [0, state.steps] }, y: { title: "x", range: [LEFT, RIGHT] },
        lines: [{ series: 0, points: path.map((each, i) => [i, each]), dots: true }],
        levels: [{ y: minima[0], text: "shallower minimum" }, { y: minima[1], text: "deeper minimum" }],
      });
      const numbers = [
        { label: "Ends in", value: place(x), note: `x = ${steepest.number(x, 4)} after ${state.steps} steps` },
        { label: "Loss at the end", value: steepest.number(steepest.curve.height(x), 4), note: `the lowest is ${steepest.number(lowest, 4)}` },
      ];
      if (state.noise > 0) {
        const ends = steepest.range(MANY, (i) => last(steepest.descent({ ...settings, seed: 1000 + i })));
        const share = (keep) => `${Math.round((100 * ends.filter(keep).length) / MANY)} %`;
        numbers.push({ label: `Of ${MANY} seeds, in the deeper one`, value: share((each) => each >= between), note: `diverged: ${share((each) => !Number.isFinite(each))}` });
      }
      to.say(numbers);
      to.rows(path.map((each, i) => ({ step: i, x: each, height: steepest.curve.height(each), slope: steepest.curve.slope(each), noise: i < state.steps ? found.noise[i] : undefined })));
      if (!view.listening) {
        view.listening = true;
        figure.querySelector(".plot").addEventListener("click", (event) => to.set({ start: steepest.pointed(figure, event)[0] }));
      }
    },
  };
  return view;
};
