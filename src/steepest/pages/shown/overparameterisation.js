// needs: stored.js
/** Training losses of networks from starts near to each other, a figure for each network. */
steepest.view = (page) => {
  const { data } = page.content, { rates, steps } = data;
  const spread = (values) => {
    const middle = steepest.mean(values);
    return Math.sqrt(values.reduce((sum, each) => sum + (each - middle) ** 2, 0) / (values.length - 1)) / middle;
  };

  return {
    update(to, state) {
      const wanted = to.value("lr"), place = steepest.nearest(rates, wanted, true), at = steepest.nearest(steps, state.steps);
      const runs = data.nets.map((net) => net.loss[state.noise][place].slice(0, state.starts));
      const ends = runs.map((each) => each.map((run) => run[at]));
      steepest.shown = { place, at, ends };
      steepest.snap(to, [["learning rate", wanted, rates[place], true], ["steps", state.steps, steps[at]]]);
      data.nets.forEach((net, k) => {
        const figure = to.figure(`net${k}`, net.name, `${net.parameters.toLocaleString("en")} parameters.`);
        if (!k) figure.classList.add("foremost");
        steepest.plot(figure, {
          label: `${net.name}: training loss by step from ${state.starts} starts.`, height: (width) => Math.min(Math.max(width * 0.6, 200), 260),
          x: { title: "step", range: [0, steps[at]] }, y: { title: "training loss", range: [0, state.top] },
          lines: runs[k].map((run) => ({ series: k, width: 1.5, points: steps.slice(0, at + 1).map((step, i) => [step, run[i] ?? NaN]) })),
        });
      });
      to.say(data.nets.map((net, k) => {
        const varied = ends[k].includes(null) ? "" : `, sd ${steepest.number(100 * spread(ends[k]), 2)} % of the mean`;
        return { label: `${net.name}: after ${steps[at]} steps`, series: k, value: steepest.number(steepest.mean(ends[k]), 3), note: `${steepest.ends(ends[k])}${varied}` };
      }));
      to.rows(steps.slice(0, at + 1).map((step, i) => Object.fromEntries([["step", step], ...data.nets.flatMap((_, k) => {
        const values = runs[k].map((run) => run[i]);
        return values.includes(null) ? [[`mean${k}`, NaN]] : [[`mean${k}`, steepest.mean(values)], [`low${k}`, Math.min(...values)], [`high${k}`, Math.max(...values)]];
      })])));
    },
  };
};
