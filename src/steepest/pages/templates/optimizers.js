/** Rules of steepest that update every number alone, ported step by step; a test compares them with the Python rules. */
(() => {
  const coupled = (w, g, h) => (h.weight_decay ? g + h.weight_decay * w : g);
  const sign = (value) => (value > 0 ? 1 : value < 0 ? -1 : 0);

  function free(w, s, direction, t, m, beta, h) {
    const x = (w - (1 - beta) * s.z) / beta;
    const rate = m * h.lr * (h.warmup_steps ? Math.min(t / h.warmup_steps, 1) : 1);
    const largest = Math.max(rate, s.lr_max), weight = t ** h.r * largest ** h.weight_lr_power;
    const total = s.weight_sum + weight, c = total ? weight / total : 0, z = s.z - rate * direction;
    const mean = (1 - c) * x + c * z;
    Object.assign(s, { z, weight_sum: total, lr_max: largest });
    return (1 - beta) * z + beta * mean;
  }
  const freed = { begin: (w) => ({ z: w, exp_avg_sq: 0, weight_sum: 0, lr_max: 0 }) };

  /**
   * begin(w, h): the state of one number before the first step; step(w, g, s, t, m, h): the number after step t, counted
   * from 1, with the multiplier m of a schedule; seen(w, s, h): the number at which the rule would be evaluated.
   */
  steepest.rules = {
    sgd: {
      begin: () => ({ buffer: 0 }),
      step(w, g, s, t, m, h) {
        const slope = coupled(w, g, h);
        if (!h.momentum) return w - m * h.lr * slope;
        s.buffer = t === 1 ? slope : h.momentum * s.buffer + (1 - h.dampening) * slope;
        return w - m * h.lr * (h.nesterov ? slope + h.momentum * s.buffer : s.buffer);
      },
    },
    "heavy-ball": {
      begin: () => ({ velocity: 0 }),
      step(w, g, s, t, m, h) {
        s.velocity = h.momentum * s.velocity - m * h.lr * coupled(w, g, h);
        return w + s.velocity;
      },
    },
    adagrad: {
      begin: (w, h) => ({ sum: h.initial_accumulator_value }),
      step(w, g, s, t, m, h) {
        const slope = coupled(w, g, h);
        s.sum += slope ** 2;
        const root = Math.sqrt(s.sum) + h.eps;
        return w - ((m * h.lr) / (1 + (t - 1) * h.lr_decay)) * (root ? slope / root : 0);
      },
    },
    rmsprop: {
      begin: () => ({ square: 0, mean: 0, buffer: 0 }),
      step(w, g, s, t, m, h) {
        const slope = coupled(w, g, h);
        s.square = h.alpha * s.square + (1 - h.alpha) * slope ** 2;
        let v = s.square;
        if (h.centered) {
          s.mean = h.alpha * s.mean + (1 - h.alpha) * slope;
          v = Math.max(v - s.mean ** 2, 0);
        }
        let q = slope / (h.eps_inside_root ? Math.sqrt(v + h.eps) : Math.sqrt(v) + h.eps);
        if (h.momentum) q = s.buffer = h.momentum * s.buffer + q;
        return w - m * h.lr * q;
      },
    },
    adam: {
      begin: () => ({ mean: 0, square: 0, most: 0 }),
      step(w, g, s, t, m, h, decoupled = false) {
        const from = decoupled ? w - m * h.lr * h.weight_decay * w : w, slope = decoupled ? g : coupled(w, g, h);
        s.mean = h.betas[0] * s.mean + (1 - h.betas[0]) * slope;
        s.square = h.betas[1] * s.square + (1 - h.betas[1]) * slope ** 2;
        s.most = Math.max(s.most, s.square);
        const second = (h.amsgrad ? s.most : s.square) / (1 - h.betas[1] ** t);
        return from - (m * h.lr * s.mean) / (1 - h.betas[0] ** t) / (Math.sqrt(second) + h.eps);
      },
    },
    adadelta: {
      begin: () => ({ square: 0, moved: 0 }),
      step(w, g, s, t, m, h) {
        const slope = coupled(w, g, h);
        s.square = h.rho * s.square + (1 - h.rho) * slope ** 2;
        const delta = (Math.sqrt(s.moved + h.eps) / Math.sqrt(s.square + h.eps)) * slope;
        s.moved = h.rho * s.moved + (1 - h.rho) * delta ** 2;
        return w - m * h.lr * delta;
      },
    },
    adamax: {
      begin: () => ({ mean: 0, most: 0 }),
      step(w, g, s, t, m, h) {
        const slope = coupled(w, g, h);
        s.mean = h.betas[0] * s.mean + (1 - h.betas[0]) * slope;
        s.most = Math.max(h.betas[1] * s.most, Math.abs(slope) + h.eps);
        return w - ((m * h.lr) / (1 - h.betas[0] ** t)) * (s.mean / s.most);
      },
    },
    nadam: {
      begin: () => ({ mean: 0, square: 0, product: 1 }),
      step(w, g, s, t, m, h) {
        const [one, two] = h.betas, share = (i) => one * (1 - 0.5 * 0.96 ** (i * h.momentum_decay));
        const from = h.decoupled_weight_decay ? w * (1 - m * h.lr * h.weight_decay) : w;
        const slope = h.decoupled_weight_decay ? g : coupled(w, g, h);
        s.mean = one * s.mean + (1 - one) * slope;
        s.square = two * s.square + (1 - two) * slope ** 2;
        s.product *= share(t);
        const next = s.product * share(t + 1);
        const first = (share(t + 1) * s.mean) / (1 - next) + ((1 - share(t)) * slope) / (1 - s.product);
        return from - (m * h.lr * first) / (Math.sqrt(s.square / (1 - two ** t)) + h.eps);
      },
    },
    radam: {
      begin: () => ({ mean: 0, square: 0 }),
      step(w, g, s, t, m, h) {
        const [one, two] = h.betas;
        const from = h.decoupled_weight_decay ? w * (1 - m * h.lr * h.weight_decay) : w;
        const slope = h.decoupled_weight_decay ? g : coupled(w, g, h);
        s.mean = one * s.mean + (1 - one) * slope;
        s.square = two * s.square + (1 - two) * slope ** 2;
        const most = 2 / (1 - two) - 1, rho = most - (2 * t * two ** t) / (1 - two ** t);
        let move = s.mean / (1 - one ** t);
        if (rho > 5) {
          const r = Math.sqrt(((rho - 4) * (rho - 2) * most) / ((most - 4) * (most - 2) * rho));
          move *= (r * Math.sqrt(1 - two ** t)) / (Math.sqrt(s.square) + h.eps);
        }
        return from - m * h.lr * move;
      },
    },
    lion: {
      begin: () => ({ mean: 0 }),
      step(w, g, s, t, m, h) {
        const side = h.betas[0] * s.mean + (1 - h.betas[0]) * g;
        s.mean = h.betas[1] * s.mean + (1 - h.betas[1]) * g;
        return w - m * h.lr * (sign(side) + h.weight_decay * w);
      },
    },
    rprop: {
      begin: (w, h) => ({ before: 0, size: h.lr }),
      step(w, g, s, t, m, h) {
        let slope = g;
        if (s.before * g > 0) s.size *= h.etas[1];
        else if (s.before * g < 0) { s.size *= h.etas[0]; slope = 0; }
        s.size = Math.min(Math.max(s.size, h.step_sizes[0]), h.step_sizes[1]);
        s.before = slope;
        return w - m * sign(slope) * s.size;
      },
    },
    quickprop: {
      begin: () => ({ step: 0, gradient: 0 }),
      step(w, g, s, t, m, h) {
        const slope = -coupled(w, g, h), before = -s.gradient, d = s.step;
        const shrink = h.max_growth / (1 + h.max_growth), quotient = before !== slope ? (d * slope) / (before - slope) : 0;
        let step = 0;
        if (d > 0) step = (slope > 0 ? h.lr * slope : 0) + (slope > shrink * before ? h.max_growth * d : quotient);
        else if (d < 0) step = (slope < 0 ? h.lr * slope : 0) + (slope < shrink * before ? h.max_growth * d : quotient);
        else step = h.lr * slope;
        Object.assign(s, { step, gradient: -slope });
        return w + m * step;
      },
    },
    "delta-bar-delta": {
      begin: (w, h) => ({ rate: h.lr, mean: 0 }),
      step(w, g, s, t, m, h) {
        const delta = coupled(w, g, h);
        if (s.mean * delta > 0) s.rate += h.kappa;
        else if (s.mean * delta < 0) s.rate -= h.phi * s.rate;
        if (h.max_lr !== null && s.rate > h.max_lr) s.rate = h.max_lr;
        s.mean = (1 - h.theta) * delta + h.theta * s.mean;
        return w - m * s.rate * delta;
      },
    },
    "schedule-free-sgd": {
      ...freed,
      step: (w, g, s, t, m, h) => free(w, s, coupled(w, g, h), t, m, h.momentum, h),
      seen: (w, s, h) => (w - (1 - h.momentum) * s.z) / h.momentum,
    },
    "schedule-free-adamw": {
      ...freed,
      step(w, g, s, t, m, h) {
        s.exp_avg_sq = h.betas[1] * s.exp_avg_sq + (1 - h.betas[1]) * g ** 2;
        const direction = g / (Math.sqrt(s.exp_avg_sq / (1 - h.betas[1] ** t)) + h.eps) + h.weight_decay * w;
        return free(w, s, direction, t, m, h.betas[0], h);
      },
      seen: (w, s, h) => (w - (1 - h.betas[0]) * s.z) / h.betas[0],
    },
  };
  steepest.rules.adamw = {
    begin: steepest.rules.adam.begin,
    step: (w, g, s, t, m, h) => steepest.rules.adam.step(w, g, s, t, m, h, true),
  };

  /** The points at which a rule would be evaluated, [steps + 1][n]; gradient(w, step) is by all numbers at once. */
  steepest.walk = (name, hyper, gradient, start, steps, multiplier = () => 1) => {
    const rule = steepest.rules[name], states = start.map((w) => rule.begin(w, hyper)), path = [[...start]];
    let w = [...start];
    for (let step = 0; step < steps; step += 1) {
      const g = gradient(w, step), m = multiplier(step);
      w = w.map((each, i) => rule.step(each, g[i], states[i], step + 1, m, hyper));
      path.push(rule.seen ? w.map((each, i) => rule.seen(each, states[i], hyper)) : w);
    }
    return path;
  };
})();
