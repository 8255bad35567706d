/** Figures as SVG, in the page's colours; a figure is redrawn from its last specification when its width changes. */
(() => {
  const MARGIN = { top: 12, right: 14, bottom: 42, left: 60 };
  const DASHES = { solid: "", dash: "7 4", dot: "2 3", dashdot: "8 3 2 3" };
  const FINE = 110;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const esc = steepest.escape;

  function ticks([low, high], log, most) {
    if (log) {
      const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
      const every = Math.max(1, Math.ceil((last - first + 1) / most));
      return steepest.range(Math.floor((last - first) / every) + 1, (i) => 10 ** (last - i * every));
    }
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
    const first = Math.ceil(low / step - 1e-9);
    return steepest.range(Math.floor(high / step + 1e-9) - first + 1, (i) => Number(((first + i) * step).toPrecision(12)));
  }

  function scale({ range: [low, high], log }, from, to) {
    const map = log ? Math.log10 : (value) => value;
    const a = map(low), b = map(high);
    return {
      at: (value) => from + ((map(log ? Math.max(value, 1e-300) : value) - a) / (b - a)) * (to - from),
      back: (place) => { const found = a + ((place - from) / (to - from)) * (b - a); return log ? 10 ** found : found; },
    };
  }

  const path = (points, x, y) => {
    let text = "", on = false;
    for (const [a, b] of points) {
      if (!Number.isFinite(a) || !Number.isFinite(b)) { on = false; continue; }
      text += `${on ? "L" : "M"}${clamp(x.at(a), -4e3, 8e3).toFixed(1)} ${clamp(y.at(b), -4e3, 8e3).toFixed(1)}`;
      on = true;
    }
    return text;
  };

  /** The level of every small cell, by bilinear interpolation between the stored points, as one path for each level. */
  function ground(field, box) {
    const { values, across, down, levels } = field;
    const paths = levels.map(() => ""), w = (box.right - box.left) / FINE, h = (box.bottom - box.top) / FINE;
    for (let row = 0; row < FINE; row += 1) {
      const v = ((FINE - row - 0.5) / FINE) * (down - 1), j = Math.min(Math.floor(v), down - 2), q = v - j;
      let begun = 0, level = -1;
      for (let column = 0; column <= FINE; column += 1) {
        let here = -2;
        if (column < FINE) {
          const u = ((column + 0.5) / FINE) * (across - 1), i = Math.min(Math.floor(u), across - 2), p = u - i;
          const at = j * across + i;
          const value = (1 - q) * ((1 - p) * values[at] + p * values[at + 1])
            + q * ((1 - p) * values[at + across] + p * values[at + across + 1]);
          here = levels.findLastIndex((each) => value >= each);
        }
        if (here === level) continue;
        if (level >= 0) {
          const left = (box.left + begun * w).toFixed(1), top = (box.top + row * h).toFixed(1);
          paths[level] += `M${left} ${top}h${((column - begun) * w).toFixed(1)}v${(h + 0.3).toFixed(1)}h-${((column - begun) * w).toFixed(1)}z`;
        }
        begun = column; level = here;
      }
    }
    return paths.map((each, i) => `<path d="${each}" fill="var(--bar)" fill-opacity="${(0.03 + (0.55 * (i + 1)) / levels.length).toFixed(3)}"/>`).join("");
  }

  /** Level lines between the stored points, by marching squares. */
  function contours(field, box) {
    const { values, across, down, levels } = field;
    const x = (i) => box.left + (i / (across - 1)) * (box.right - box.left);
    const y = (j) => box.bottom - (j / (down - 1)) * (box.bottom - box.top);
    let text = "";
    for (const level of levels) {
      for (let j = 0; j < down - 1; j += 1) for (let i = 0; i < across - 1; i += 1) {
        const at = j * across + i, corners = [values[at], values[at + 1], values[at + across + 1], values[at + across]];
        const places = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], cuts = [];
        for (let k = 0; k < 4; k += 1) {
          const one = corners[k], two = corners[(k + 1) % 4];
          if ((one < level) === (two < level)) continue;
          const share = (level - one) / (two - one), [a, b] = places[k], [c, d] = places[(k + 1) % 4];
          cuts.push(`${x(a + share * (c - a)).toFixed(1)} ${y(b + share * (d - b)).toFixed(1)}`);
        }
        for (let k = 0; k + 1 < cuts.length; k += 2) text += `M${cuts[k]}L${cuts[k + 1]}`;
      }
    }
    return `<path class="p-contour" d="${text}"/>`;
  }

  function mark({ x: a, y: b, series, shape = "circle", size = 5, text, id, chosen }, x, y, box) {
    if (!Number.isFinite(a) || !Number.isFinite(b)) return "";
    const px = x.at(a), py = y.at(b), colour = typeof series === "number" ? `var(--series-${series})` : `var(--${series ?? "ink"})`;
    if (px < box.left - 1 || px > box.right + 1 || py < box.top - 1 || py > box.bottom + 1) return "";
    const drawn = {
      circle: `<circle cx="${px}" cy="${py}" r="${size}" fill="${colour}"/>`,
      ring: `<circle cx="${px}" cy="${py}" r="${size}" fill="var(--card)" stroke="${colour}" stroke-width="2.2"/>`,
      cross: `<path d="M${px - size} ${py - size}l${2 * size} ${2 * size}m0 ${-2 * size}l${-2 * size} ${2 * size}" stroke="${colour}" stroke-width="2.4" fill="none"/>`,
      square: `<rect x="${px - size}" y="${py - size}" width="${2 * size}" height="${2 * size}" fill="${colour}" stroke="var(--card)" stroke-width="1.5"/>`,
    }[shape];
    const halo = chosen ? `<circle cx="${px}" cy="${py}" r="${size + 5}" fill="none" stroke="var(--accent)" stroke-width="2"/>` : "";
    const hit = id === undefined ? "" : `<circle class="p-hit" data-id="${id}" cx="${px}" cy="${py}" r="13"/>`;
    const left = px > (box.left + box.right) * 0.62;
    const label = text ? `<text class="p-label" x="${px + (left ? -9 : 9)}" y="${py - 8 < box.top + 12 ? py + 20 : py - 8}" text-anchor="${left ? "end" : "start"}">${esc(text)}</text>` : "";
    return halo + drawn + label + hit;
  }

  function legend(spec) {
    const items = spec.lines.filter((each) => each.name).map((each) => {
      const colour = typeof each.series === "number" ? `var(--series-${each.series})` : `var(--${each.series ?? "ink"})`;
      return `<span><svg width="26" height="10" aria-hidden="true"><path d="M0 5h26" stroke="${colour}" stroke-width="2.6" stroke-dasharray="${DASHES[each.dash ?? "solid"]}"/></svg>${esc(each.name)}</span>`;
    });
    const marks = (spec.marks ?? []).filter((each) => each.name).map((each) => {
      const box = { left: 0, right: 60, top: 0, bottom: 14 }, same = { at: () => 7 };
      return `<span><svg width="14" height="14" aria-hidden="true">${mark({ ...each, x: 0, y: 0, text: "", id: undefined, size: 4.5 }, same, same, box)}</svg>${esc(each.name)}</span>`;
    });
    return [...items, ...marks].join("");
  }

  function draw(figure) {
    const { spec } = figure, place = figure.querySelector(".plot"), width = Math.floor(place.clientWidth);
    if (!spec || !width) return;
    const height = Math.round(spec.height ? spec.height(width) : clamp(width * 0.66, 250, 380));
    const box = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
    const x = scale(spec.x, box.left, box.right), y = scale(spec.y, box.bottom, box.top);
    Object.assign(figure, { x, y });
    const id = `clip-${figure.id}`, parts = [];
    parts.push(`<clipPath id="${id}"><rect x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}"/></clipPath>`);
    for (const tick of ticks(spec.y.range, spec.y.log, Math.max(3, Math.floor((box.bottom - box.top) / 46)))) {
      const at = y.at(tick).toFixed(1);
      if (!spec.field) parts.push(`<path class="p-grid" d="M${box.left} ${at}H${box.right}"/>`);
      parts.push(`<text class="p-tick" x="${box.left - 7}" y="${Number(at) + 4}" text-anchor="end">${steepest.number(tick, 3)}</text>`);
    }
    for (const tick of ticks(spec.x.range, spec.x.log, Math.max(3, Math.floor((box.right - box.left) / 60)))) {
      const at = x.at(tick).toFixed(1);
      if (!spec.field) parts.push(`<path class="p-grid" d="M${at} ${box.top}V${box.bottom}"/>`);
      parts.push(`<text class="p-tick" x="${at}" y="${box.bottom + 17}" text-anchor="middle">${steepest.number(tick, 3)}</text>`);
    }
    parts.push(`<g clip-path="url(#${id})">`);
    if (spec.field) {
      const drawn = [...spec.x.range, ...spec.y.range, width, height].join();
      if (figure.field !== spec.field || figure.drawn !== drawn) {
        figure.ground = ground(spec.field, box) + contours(spec.field, box);
        figure.field = spec.field; figure.drawn = drawn;
      }
      parts.push(figure.ground);
    }
    const bands = [];
    for (const each of spec.bands ?? []) {
      const before = bands[bands.length - 1];
      if (before && before.series === each.series && Math.abs(before.to - each.from) < 1e-9) before.to = each.to;
      else bands.push({ ...each });
    }
    for (const { from, to, series } of bands) {
      parts.push(`<rect x="${x.at(from).toFixed(1)}" y="${box.bottom - 9}" width="${Math.max(x.at(to) - x.at(from) + 0.4, 0).toFixed(1)}" height="9" fill="var(--series-${series})"/>`);
    }
    for (const level of spec.levels ?? []) {
      const at = y.at(level.y).toFixed(1);
      parts.push(`<path class="p-level" d="M${box.left} ${at}H${box.right}"/><text class="p-label" x="${box.right - 6}" y="${at - 5}" text-anchor="end">${esc(level.text)}</text>`);
    }
    for (const each of spec.lines) {
      const colour = typeof each.series === "number" ? `var(--series-${each.series})` : `var(--${each.series ?? "ink"})`;
      const drawn = path(each.points, x, y);
      if (spec.field) parts.push(`<path class="p-under" d="${drawn}" stroke-width="${(each.width ?? 2.2) + 2.4}"/>`);
      parts.push(`<path d="${drawn}" fill="none" stroke="${colour}" stroke-width="${each.width ?? 2.2}" stroke-linejoin="round" stroke-dasharray="${DASHES[each.dash ?? "solid"]}"/>`);
      if (each.dots && each.points.length <= 90) {
        for (const [a, b] of each.points) {
          if (Number.isFinite(a) && Number.isFinite(b)) parts.push(`<circle cx="${clamp(x.at(a), -99, 9e3).toFixed(1)}" cy="${clamp(y.at(b), -99, 9e3).toFixed(1)}" r="2.6" fill="${colour}"/>`);
        }
      }
    }
    for (const each of spec.marks ?? []) parts.push(mark(each, x, y, box));
    parts.push("</g>");
    parts.push(`<path class="p-axis" d="M${box.left} ${box.top}V${box.bottom}H${box.right}"/>`);
    parts.push(`<text class="p-title" x="${(box.left + box.right) / 2}" y="${height - 6}" text-anchor="middle">${esc(spec.x.title)}</text>`);
    parts.push(`<text class="p-title" transform="translate(12 ${(box.top + box.bottom) / 2}) rotate(-90)" text-anchor="middle">${esc(spec.y.title)}</text>`);
    place.innerHTML = `<svg role="img" aria-label="${esc(spec.label)}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${parts.join("")}</svg>`;
    const keys = legend(spec);
    if (figure.keys !== keys) { figure.querySelector(".keys").innerHTML = keys; figure.keys = keys; }
  }

  /** Draw a figure, or draw it again. */
  steepest.plot = (figure, spec) => {
    figure.spec = spec;
    if (!figure.watched) {
      figure.watched = new ResizeObserver(() => { if (figure.querySelector(".plot").clientWidth !== figure.width) { figure.width = figure.querySelector(".plot").clientWidth; draw(figure); } });
      figure.watched.observe(figure.querySelector(".plot"));
    }
    draw(figure);
  };

  /** Where in the figure's units a pointer is. */
  steepest.pointed = (figure, event) => {
    const seen = figure.querySelector("svg[role]").getBoundingClientRect();
    return [figure.x.back(event.clientX - seen.left), figure.y.back(event.clientY - seen.top)];
  };

  /** Levels between which a surface is coloured: evenly spaced in the root of the height above the lowest point. */
  steepest.levels = (values, count, power = 2, lowest = Math.min(...values), highest = Math.max(...values)) =>
    steepest.range(count, (i) => lowest + (highest - lowest) * ((i + 1) / (count + 1)) ** power);

  /** A surface between two ranges, as values row by row from the bottom. */
  steepest.surface = (across, down, [x0, x1], [y0, y1], height) => {
    const values = new Float64Array(across * down);
    for (let j = 0; j < down; j += 1) for (let i = 0; i < across; i += 1) {
      values[j * across + i] = height(x0 + (i / (across - 1)) * (x1 - x0), y0 + (j / (down - 1)) * (y1 - y0));
    }
    return { values, across, down };
  };
})();
