/** Polynomials through points: three losses, their gradients, and their exact minima. */
(() => {
  const sign = (value) => (value > 0 ? 1 : value < 0 ? -1 : 0);
  const dot = (a, b) => a.reduce((sum, each, i) => sum + each * b[i], 0);

  steepest.polynomial = (coefficients, x) => coefficients.reduceRight((sum, each) => sum * x + each, 0);

  const rowsOf = (points, degree) => points.map(([x]) => steepest.range(degree + 1, (k) => x ** k));

  /** The mean losses of residuals fitted − y, and their gradients by the coefficients. */
  steepest.fitted = (points, degree) => {
    const rows = rowsOf(points, degree), count = points.length;
    const residuals = (w) => rows.map((row, i) => dot(row, w) - points[i][1]);
    const LOSS = {
      squares: (r) => r * r, absolute: Math.abs,
      huber: (r, delta) => (Math.abs(r) <= delta ? 0.5 * r * r : delta * (Math.abs(r) - 0.5 * delta)),
    };
    const SLOPE = { squares: (r) => 2 * r, absolute: sign, huber: (r, delta) => Math.min(Math.max(r, -delta), delta) };
    return {
      rows, residuals,
      loss: (w, kind, delta) => residuals(w).reduce((sum, r) => sum + LOSS[kind](r, delta), 0) / count,
      gradient(w, kind, delta) {
        const found = Array(degree + 1).fill(0);
        residuals(w).forEach((r, i) => {
          const slope = SLOPE[kind](r, delta) / count;
          for (let k = 0; k <= degree; k += 1) found[k] += slope * rows[i][k];
        });
        return found;
      },
    };
  };

  /** Least squares by Householder reflections; weights multiply the squared residuals. */
  function squares(rows, y, weights) {
    const p = rows[0].length, a = rows.map((row, i) => { const root = Math.sqrt(weights ? weights[i] : 1); return [...row.map((each) => each * root), y[i] * root]; });
    for (let k = 0; k < p; k += 1) {
      let norm = 0;
      for (let i = k; i < a.length; i += 1) norm += a[i][k] ** 2;
      norm = Math.sqrt(norm);
      if (norm === 0) return null;
      const alpha = a[k][k] > 0 ? -norm : norm, v = [];
      for (let i = k; i < a.length; i += 1) v.push(a[i][k] - (i === k ? alpha : 0));
      const size = dot(v, v);
      for (let j = k; j <= p; j += 1) {
        let sum = 0;
        for (let i = 0; i < v.length; i += 1) sum += v[i] * a[k + i][j];
        for (let i = 0; i < v.length; i += 1) a[k + i][j] -= (2 * sum * v[i]) / size;
      }
    }
    const w = Array(p).fill(0);
    for (let k = p - 1; k >= 0; k -= 1) {
      let sum = a[k][p];
      for (let j = k + 1; j < p; j += 1) sum -= a[k][j] * w[j];
      w[k] = sum / a[k][k];
    }
    return w;
  }

  /** The inverse of a small matrix by elimination with pivots; null if it has none. */
  function inverse(matrix) {
    const n = matrix.length, a = matrix.map((row, i) => [...row, ...steepest.range(n, (j) => Number(i === j))]);
    for (let k = 0; k < n; k += 1) {
      let pivot = k;
      for (let i = k + 1; i < n; i += 1) if (Math.abs(a[i][k]) > Math.abs(a[pivot][k])) pivot = i;
      if (Math.abs(a[pivot][k]) < 1e-13) return null;
      [a[k], a[pivot]] = [a[pivot], a[k]];
      for (let i = 0; i < n; i += 1) {
        if (i === k) continue;
        const factor = a[i][k] / a[k][k];
        if (factor) for (let j = k; j < 2 * n; j += 1) a[i][j] -= factor * a[k][j];
      }
    }
    return a.map((row, k) => row.slice(n).map((each) => each / row[k]));
  }

  /**
   * The least L1 loss: a best fit passes through as many points as it has coefficients. From one such fit, leave the point
   * whose edge descends most, go to the weighted median along that edge, and take the point that is met there, until no
   * edge descends (Barrodale & Roberts 1973).
   */
  function absolute(rows, y) {
    const p = rows[0].length, n = rows.length, order = steepest.range(n, (i) => i).sort((i, j) => (rows[i][1] ?? 0) - (rows[j][1] ?? 0));
    const nodes = steepest.range(p, (k) => order[Math.round(((n - 1) * (1 - Math.cos((Math.PI * (k + 0.5)) / p))) / 2)]);
    let basis = new Set(nodes).size === p ? nodes : order.slice(0, p), w = null;
    for (let round = 0; round < 2000; round += 1) {
      const inverted = inverse(basis.map((i) => rows[i]));
      if (!inverted) return w;
      w = inverted.map((row) => dot(row, basis.map((i) => y[i])));
      const inside = new Set(basis), residuals = rows.map((row, i) => (inside.has(i) ? 0 : y[i] - dot(row, w)));
      let leaving = -1, most = 1 + 1e-9, toward = 0;
      for (let j = 0; j < p; j += 1) {
        let pull = 0;
        for (let i = 0; i < n; i += 1) if (!inside.has(i)) pull += sign(residuals[i]) * dot(rows[i], inverted.map((row) => row[j]));
        if (Math.abs(pull) > most) { most = Math.abs(pull); leaving = j; toward = sign(pull); }
      }
      if (leaving < 0) return w;
      const edge = inverted.map((row) => row[leaving] * toward);
      const stops = [];
      for (let i = 0; i < n; i += 1) {
        const speed = inside.has(i) ? 0 : dot(rows[i], edge);
        if (speed !== 0 && residuals[i] / speed >= 0) stops.push([residuals[i] / speed, Math.abs(speed), i]);
      }
      stops.sort((one, two) => one[0] - two[0]);
      let slope = 1 - most, entering = -1;
      for (const [, speed, i] of stops) {
        slope += 2 * speed;
        entering = i;
        if (slope >= 0) break;
      }
      if (entering < 0) return w;
      basis = basis.map((each, j) => (j === leaving ? entering : each));
    }
    return w;
  }

  /** The least Huber loss, by reweighted least squares and then Newton steps, which end exactly. */
  function huber(points, degree, delta, start) {
    const problem = steepest.fitted(points, degree), y = points.map((each) => each[1]);
    let w = start, least = problem.loss(w, "huber", delta);
    for (let round = 0; round < 60; round += 1) {
      const weights = problem.residuals(w).map((r) => Math.min(1, delta / Math.max(Math.abs(r), 1e-300)));
      w = squares(problem.rows, y, weights) ?? w;
    }
    least = problem.loss(w, "huber", delta);
    for (let round = 0; round < 60; round += 1) {
      const residuals = problem.residuals(w), near = residuals.map((r) => Math.abs(r) <= delta);
      if (near.filter(Boolean).length <= degree) break;
      // A Newton step is least squares of the near points, with the pull of the others on their values.
      const hessian = steepest.range(degree + 1, (j) => steepest.range(degree + 1, (k) => problem.rows.reduce((sum, row, i) => sum + (near[i] ? row[j] * row[k] : 0), 0)));
      const inverted = inverse(hessian);
      if (!inverted) break;
      const gradient = problem.gradient(w, "huber", delta).map((each) => each * points.length);
      const next = w.map((each, k) => each - dot(inverted[k], gradient)), loss = problem.loss(next, "huber", delta);
      if (!(loss < least)) break;
      w = next; least = loss;
    }
    return w;
  }

  /** The exact coefficients of a polynomial by one of the losses; null if the points do not determine them. */
  steepest.fit = (points, degree, kind, delta) => {
    const rows = rowsOf(points, degree), y = points.map((each) => each[1]);
    if (kind === "squares") return squares(rows, y);
    const found = absolute(rows, y);
    return kind === "absolute" ? found : huber(points, degree, delta, found);
  };
})();
