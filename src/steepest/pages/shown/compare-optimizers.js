// needs: stored.js
/** Training losses of three rules by step, at one rate or each at its best, and after so many steps by rate. */
steepest.view = (page) => {
  const { data } = page.content, { rules, rates, steps } = data, DASHES = ["solid", "dash", "dot"];

  return {
    chosen: (name) => (name === "lr" ? { rates: "one" } : {}),
    update(to, state) {
      const size = steepest.nearest(data.batches, state.batch), at = steepest.nearest(steps, state.steps), { loss } = data.sizes[size];
      const mean = (k, r, i) => steepest.mean(loss[k][r].map((run) => run[i]));
      const ends = rules.map((_, k) => rates.map((__, r) => mean(k, r, at)));
      const best = ends.map((each) => each.reduce((found, value, r) => (value < each[found] || Number.isNaN(each[found]) ? r : found), 0));
      const wanted = to.value("lr"), one = steepest.nearest(rates, wanted, true), own = state.rates === "best";
      const places = rules.map((_, k) => (own ? best[k] : one));
      steepest.shown = { places, at, size, ends };
      steepest.snap(to, [...(own ? [] : [["learning rate", wanted, rates[one], true]]), ["batch size", state.batch, data.batches[size]], ["steps", state.steps, steps[at]]]);
      const name = (k) => `${rules[k]}, rate ${steepest.number(rates[places[k]], 3)}`;
      const curves = to.figure("curves", "Training loss by step", `Means of ${data.starts} starts (thin lines: the starts), loss on all 500 digits.`);
      curves.classList.add("foremost", "broad");
      steepest.plot(curves, {
        label: `Training loss by step of ${rules.map((_, k) => name(k)).join("; ")}.`,
        x: { title: "step", range: [0, steps[at]] }, y: { title: "log loss of the training digits", range: [0, state.top] },
        lines: rules.flatMap((_, k) => [
          { name: name(k), series: k, dash: DASHES[k], width: 2.6, points: steps.slice(0, at + 1).map((step, i) => [step, mean(k, places[k], i)]) },
          ...loss[k][places[k]].map((run) => ({ series: k, width: 0.8, points: steps.slice(0, at + 1).map((step, i) => [step, run[i] ?? NaN]) })),
        ]),
      });
      const finite = ends.flat().filter(Number.isFinite), shown = (value) => (Number.isFinite(value) ? Math.max(value, data.least) : NaN);
      const by = to.figure("rates", `Training loss after ${steps[at]} steps, by rate`, "Means of the starts; squares are the rates that are shown above. Without rates at which a start diverged; what is below 10⁻⁵ is drawn there.");
      by.classList.add("broad");
      steepest.plot(by, {
        label: `Training loss after ${steps[at]} steps by learning rate, for ${rules.join(", ")}.`,
        x: { title: "learning rate", range: [rates[0] / 1.3, rates[rates.length - 1] * 1.3], log: true },
        y: { title: "log loss", range: [10 ** Math.floor(Math.log10(shown(Math.min(...finite)))) / 1.3, Math.min(Math.max(3, ...finite), 30)], log: true }, height: () => 270,
        lines: rules.map((rule, k) => ({ name: rule, series: k, dash: DASHES[k], points: rates.map((rate, r) => [rate, shown(ends[k][r])]), dots: true })),
        marks: rules.map((_, k) => ({ x: rates[places[k]], y: shown(ends[k][places[k]]), series: k, shape: "square", size: 6 })),
      });
      to.say(rules.flatMap((rule, k) => {
        const values = loss[k][places[k]].map((run) => run[at]);
        return [
          { label: `${name(k)}: after ${steps[at]} steps`, series: k, value: steepest.number(steepest.mean(values), 3), note: steepest.ends(values) },
          { label: `${rule}: lowest at rate ${steepest.number(rates[best[k]], 3)}`, series: k, value: steepest.number(ends[k][best[k]], 3), note: "of the stored rates, after so many steps" },
        ];
      }));
      to.rows(steps.slice(0, at + 1).map((step, i) => Object.fromEntries([["step", step], ...rules.flatMap((_, k) => [[`rule${k}`, mean(k, places[k], i)]])])));
    },
  };
};
