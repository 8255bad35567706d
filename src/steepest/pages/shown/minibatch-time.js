// needs: stored.js
/** Three batch sizes, each at a rate of its own: the loss of held images by seconds of training, or by steps. */
steepest.view = (page) => {
  const { data } = page.content, SIZES = data.sizes.map((each) => each.batch);
  const steps = (run, i) => run.at[i];

  /** The seconds after which the loss stays below the aim; infinite where it does not. */
  function below(run) {
    let found = Infinity;
    for (let i = run.loss.length - 1; i >= 0 && run.loss[i] !== null && run.loss[i] < data.aim; i -= 1) found = run.seconds[i];
    return found;
  }
  /** The loss at the last look up to a budget. */
  const lossAt = (run, budget) => run.loss[run.seconds.findLastIndex((each) => each <= data.slack * budget)];
  const average = (values) => values.reduce((sum, each) => sum + each, 0) / values.length;
  const times = data.sizes.map((size) => size.runs.map((runs) => average(runs.map(below))));
  steepest.times = times;

  return {
    update(to, state) {
      const budget = state.seconds, bySeconds = state.x === "seconds";
      const places = data.sizes.map((size) => steepest.nearest(size.rates, to.value(`lr${size.batch}`), true));
      const chosen = data.sizes.map((size, k) => size.runs[places[k]]);
      steepest.snap(to, data.sizes.map((size, k) => [`rate of ${size.batch}`, to.value(`lr${size.batch}`), size.rates[places[k]], true]));
      const lines = chosen.flatMap((runs, k) => runs.map((run, n) => ({
        name: n ? "" : `${SIZES[k]} images, rate ${steepest.number(data.sizes[k].rates[places[k]], 3)}`, series: k, dash: ["solid", "dash", "dot"][k], width: n ? 1.3 : 2.2,
        points: run.seconds.flatMap((second, i) => (second <= data.slack * budget ? [[bySeconds ? second : Math.max(steps(run, i), 1), run.loss[i] ?? NaN]] : [])),
      })));
      const reach = lines.flatMap((each) => each.points.map((point) => point[0])), losses = lines.flatMap((each) => each.points.map((point) => point[1])).filter(Number.isFinite);
      const one = to.figure("loss", bySeconds ? "Loss by seconds of training" : "Loss by steps", `Each size from ${data.starts} starts. The looks at the held images are off the clock.`);
      one.classList.add("foremost", "broad");
      steepest.plot(one, {
        label: `Loss of held images by ${state.x} for batches of ${SIZES.join(", ")}, with the aim ${data.aim}.`,
        x: bySeconds ? { title: "seconds of the processor", range: [0, budget] } : { title: "steps", range: [1, Math.max(...reach)], log: true },
        y: { title: "log loss of held images", range: [Math.min(0.05, Math.min(...losses) / 1.2), Math.min(Math.max(3, ...losses), 30)], log: true },
        lines, levels: [{ y: data.aim, text: `aim: ${data.aim}` }],
      });
      const known = times.flat().filter(Number.isFinite), rates = data.sizes[0].rates;
      const two = to.figure("below", `Seconds until the loss stays below ${data.aim}, by rate`, `Means of the starts; squares are the rates that are shown above. Rates at which a start does not stay below within its run (${data.budgets[1]} s, at the published rate ${data.budgets[2]} s) have no point.`);
      two.classList.add("broad");
      steepest.plot(two, {
        label: `Seconds until the loss stays below ${data.aim}, by rate.`,
        x: { title: "learning rate", range: [rates[0] / 1.3, rates[rates.length - 1] * 1.3], log: true },
        y: { title: "seconds", range: [Math.min(...known) / 1.5, Math.max(...known) * 1.5], log: true }, height: () => 250,
        lines: data.sizes.map((size, k) => ({ name: `${size.batch} images`, series: k, dash: ["solid", "dash", "dot"][k], points: size.rates.map((rate, i) => [rate, times[k][i]]), dots: true })),
        marks: data.sizes.map((size, k) => ({ x: size.rates[places[k]], y: times[k][places[k]], series: k, shape: "square", size: 6 })),
      });
      to.say(chosen.flatMap((runs, k) => {
        const each = runs.map((run) => lossAt(run, budget)), time = times[k][places[k]], ran = Math.min(...runs.map((run) => run.seconds[run.seconds.length - 1]));
        const short = ran < 0.98 * budget && each.every((loss) => loss !== null) ? `; the runs end after ${steepest.number(ran, 3)} s` : "";
        return [
          { label: `${SIZES[k]} images: loss after ${steepest.number(budget, 3)} s`, series: k, value: steepest.number(steepest.mean(each), 3), note: steepest.ends(each) + short },
          { label: `${SIZES[k]} images: below ${data.aim}`, series: k, value: Number.isFinite(time) ? `from ${steepest.number(time, 3)} s on` : "not in every start", note: `${steepest.number(average(runs.map((run) => run.at[run.at.length - 1] / run.seconds[run.seconds.length - 1])), 3)} steps a second` },
        ];
      }));
      const looks = Math.max(...chosen.map((runs) => runs[0].seconds.filter((each) => each <= data.slack * budget).length));
      to.rows(steepest.range(looks, (i) => Object.fromEntries([["look", i + 1], ...chosen.flatMap(([run], k) => [
        [`s${k}`, run.seconds[i] <= data.slack * budget ? run.seconds[i] : null], [`n${k}`, run.seconds[i] <= data.slack * budget ? run.at[i] : null], [`l${k}`, run.seconds[i] <= data.slack * budget ? run.loss[i] ?? NaN : null],
      ])])));
    },
  };
};
