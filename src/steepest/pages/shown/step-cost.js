// needs: stored.js
/** The measured time of a step by its points, the fitted lines, and the time of a pass over all points in such steps. */
steepest.view = (page) => {
  const { data } = page.content, PASSES = { both: "a step", forward: "a forward pass", backward: "a backward pass" };
  const line = (net, count) => net.fixed + net.slope * count;
  const taken = (net, pass) => data.points.map((_, i) => (pass === "both" ? net.forward[i] + net.backward[i] : net[pass][i]));
  const fine = steepest.range(121, (i) => 10 ** ((i / 120) * Math.log10(data.points[data.points.length - 1])));

  return {
    update(to, state) {
      const wanted = Math.round(to.value("points")), i = steepest.nearest(data.points, wanted, true), count = data.points[i];
      const both = state.pass === "both", log = state.axes === "log", most = data.points[data.points.length - 1];
      const seconds = data.nets.map((net) => taken(net, state.pass));
      steepest.shown = { count, seconds };
      steepest.snap(to, [["points", wanted, count, true]]);
      const all = seconds.flat().map((each) => 1e3 * each), low = 10 ** Math.floor(Math.log10(Math.min(...all)));
      const x = { title: "points of a step", range: log ? [0.8, 1.25 * most] : [0, most], log };
      const marks = (value) => data.nets.flatMap((net, k) => data.points.map((each, j) => ({
        x: each, y: value(net, k, j), series: k, size: j === i ? 6.5 : 3.6, shape: j === i ? "square" : "circle",
      })));
      const one = to.figure("time", `Milliseconds of ${PASSES[state.pass]}`, both
        ? "Measured, and the fitted lines: fixed cost + slope × points. On logarithmic axes such a line bends where its points begin to cost more than the fixed cost."
        : "Measured; the lines are fitted to both passes together, and so not shown.");
      one.classList.add("foremost", "broad");
      steepest.plot(one, {
        label: `Milliseconds of ${PASSES[state.pass]} by its points, for ${data.nets.map((net) => net.name).join(", ")}.`,
        x, y: { title: "milliseconds", range: log ? [low, 1.5 * Math.max(...all)] : [0, 1.05 * Math.max(...all)], log },
        lines: data.nets.map((net, k) => ({ name: net.name, series: k, dash: ["solid", "dash", "dot"][k], points: both ? fine.map((each) => [each, 1e3 * line(net, each)]) : data.points.map((each, j) => [each, 1e3 * seconds[k][j]]) })),
        marks: marks((net, k, j) => 1e3 * seconds[k][j]),
      });
      const pass = seconds.map((each) => each.map((second, j) => (data.all / data.points[j]) * second));
      const two = to.figure("pass", `Seconds for all ${data.all.toLocaleString("en")} points, by the points of a step`, "Times of a step multiplied by the steps that all points take. Beyond the bend, more points in a step save little.");
      two.classList.add("broad");
      const sums = pass.flat();
      steepest.plot(two, {
        label: `Seconds for ${data.all} points by the points of a step.`,
        x: { title: "points of a step", range: [0.8, 1.25 * most], log: true },
        y: { title: "seconds", range: [Math.min(...sums) / 1.5, 1.5 * Math.max(...sums)], log: true }, height: () => 250,
        lines: data.nets.map((net, k) => ({ name: net.name, series: k, dash: ["solid", "dash", "dot"][k], points: data.points.map((each, j) => [each, pass[k][j]]) })),
        marks: marks((net, k, j) => pass[k][j]),
      });
      to.say([
        ...data.nets.map((net, k) => ({
          label: `${net.name}, ${count.toLocaleString("en")} ${count === 1 ? "point" : "points"}`, series: k, value: `${steepest.number(1e3 * seconds[k][i], 3)} ms`,
          note: both ? `the line says ${steepest.number(1e3 * line(net, count), 3)} ms, of which ${steepest.number((100 * net.fixed) / line(net, count), 2)} % are the fixed cost` : `${steepest.number((1e6 * seconds[k][i]) / count, 3)} µs a point`,
        })),
        ...data.nets.map((net, k) => ({ label: `${net.name}, all points`, series: k, value: `${steepest.number(pass[k][i], 3)} s`, note: `in ${Math.ceil(data.all / count).toLocaleString("en")} ${count === data.all ? "step" : "steps"}` })),
      ]);
      to.rows(data.points.map((each, j) => Object.fromEntries([["points", each], ...data.nets.map((_, k) => [`net${k}`, 1e3 * seconds[k][j]]), ...data.nets.map((_, k) => [`all${k}`, pass[k][j]])])));
    },
  };
};
