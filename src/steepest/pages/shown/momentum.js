// needs: optimizers.js
/** The two free parameters of the digit classifier: its loss and gradient, and both paths. */
steepest.digits = (data) => {
  const { pixel, first, second, rest, own, kind } = data, count = pixel.length;
  /** The mean cross-entropy at (weight, bias), and its gradient. */
  function at(weight, bias) {
    let loss = 0, byWeight = 0, byBias = 0;
    for (let i = 0; i < count; i += 1) {
      const a = first[i] + weight * pixel[i], b = second[i] + bias, c = rest[i], top = Math.max(a, b, c);
      const p = Math.exp(a - top), q = Math.exp(b - top), sum = p + q + Math.exp(c - top);
      loss += top + Math.log(sum) - (kind[i] === 0 ? a : kind[i] === 7 ? b : own[i]);
      byWeight += pixel[i] * (p / sum - (kind[i] === 0));
      byBias += q / sum - (kind[i] === 7);
    }
    return { loss: loss / count, gradient: [byWeight / count, byBias / count] };
  }
  const walk = (rule, hyper, steps) =>
    steepest.walk(rule, hyper, (w) => at(w[0], w[1]).gradient, data.start, steps);
  return { at, walk };
};

steepest.view = (page) => {
  const { data } = page.content, [best, across] = [data.optimum, data.across];
  const digits = steepest.digits(data);
  const field = steepest.surface(across, across, data.box, data.box, (w, b) => digits.at(w, b).loss);
  field.levels = [0, ...steepest.levels(field.values, 11, 1.8, data.loss)];
  const far = (path) => path.map(([w, b]) => [Math.abs(w - best[0]), Math.abs(b - best[1])]);
  const met = (away) => away.findIndex(([w, b]) => w < data.aim && b < data.aim);
  const turns = (path, k) => path.reduce((found, each, i) =>
    found + (i > 0 && (each[k] - best[k]) * (path[i - 1][k] - best[k]) < 0 ? 1 : 0), 0);
  const series = (away, k) => away.map((each, i) => [i, each[k]]);

  function numbers(name, slot, path, away) {
    const end = away[away.length - 1], step = met(away);
    return [
      { label: `${name}: away at the end`, series: slot, value: `${steepest.number(end[0], 3)} / ${steepest.number(end[1], 3)}`, note: "weight / bias" },
      { label: `${name}: aim met`, series: slot, value: step < 0 ? "not yet" : `after ${step} iterations`, note: `sign changes: ${turns(path, 0)} of the weight, ${turns(path, 1)} of the bias` },
    ];
  }

  return {
    update(to, state) {
      const lr = 10 ** state.lr, steps = state.steps;
      const plain = digits.walk("heavy-ball", { lr, momentum: 0, weight_decay: 0 }, steps);
      const heavy = digits.walk("heavy-ball", { lr, momentum: state.beta, weight_decay: 0 }, steps);
      const one = far(plain), two = far(heavy);
      steepest.paths = { plain, heavy };
      const surface = to.figure("surface", "The loss and both paths", "The bluer, the higher. With few iterations, each has a dot.");
      surface.classList.add("foremost");
      steepest.plot(surface, {
        label: `Loss over weight and bias, with the paths of gradient descent and momentum from (${data.start.join(", ")}) to the optimum.`,
        x: { title: "weight (class 0, pixel 378)", range: data.box }, y: { title: "bias (class 7)", range: data.box }, field,
        height: (width) => Math.min(width, 420),
        lines: [{ name: "gradient descent", series: 0, points: plain, dots: true }, { name: "momentum", series: 1, points: heavy, dash: "dash", dots: true }],
        marks: [{ x: data.start[0], y: data.start[1], shape: "ring", text: "start" }, { x: best[0], y: best[1], shape: "cross", text: "Newton’s optimum" }],
      });
      const away = to.figure("away", "Distance to the optimum", "On a logarithmic axis a straight line is a constant factor an iteration.");
      const bounded = [...one, ...two].flat().filter((each) => Number.isFinite(each));
      const top = Math.max(10, Math.min(10 ** Math.ceil(Math.log10(Math.max(...bounded))), 1e4));
      steepest.plot(away, {
        label: "Distance of weight and bias to the optimum by iteration, for gradient descent and momentum, with the aim.",
        x: { title: "iteration", range: [0, steps] }, y: { title: "|parameter − optimum|", range: [1e-12, top], log: true },
        height: (width) => Math.min(width, 420),
        lines: [
          { name: "gradient descent, weight", series: 0, points: series(one, 0) }, { name: "bias", series: 0, points: series(one, 1), dash: "dot" },
          { name: "momentum, weight", series: 1, points: series(two, 0) }, { name: "bias", series: 1, points: series(two, 1), dash: "dot" },
        ],
        levels: [{ y: data.aim, text: "aim: 10⁻⁶" }],
      });
      const [least, most] = data.eigenvalues;
      to.say([
        ...numbers("Gradient descent", 0, plain, one), ...numbers("Momentum", 1, heavy, two),
        { label: "Optimum (weight, bias)", value: `${steepest.number(best[0], 6)}, ${steepest.number(best[1], 5)}`, note: `loss ${steepest.number(data.loss, 7)}, by Newton’s method` },
        { label: "Eigenvalues of the Hessian", value: `${steepest.number(least, 4)}, ${steepest.number(most, 4)}`, note: `condition number ${steepest.number(most / least, 3)}, which is mild` },
      ]);
      to.rows(plain.map((point, i) => ({
        step: i, plain_loss: digits.at(...point).loss, plain_w: one[i][0], plain_b: one[i][1],
        loss: digits.at(...heavy[i]).loss, w: two[i][0], b: two[i][1],
      })));
    },
  };
};
