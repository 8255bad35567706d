"use strict";
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const box = document.getElementById("map");
  const canvas = box.querySelector("canvas");
  const tip = document.getElementById("tip");
  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  const { x, y, groups, group, scale, about, named, sprite } = data;
  const count = x.length;
  const hidden = new Set();
  const radius = count > 4000 ? 2.4 : count > 1000 ? 3 : count > 200 ? 4 : 5.5;
  const view = { zoom: 1, x: 0, y: 0 };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : preferred.matches);
  const shown = (i) => scale || !hidden.has(group[i]);

  const range = (values) => values.reduce(([low, high], each) => [Math.min(low, each), Math.max(high, each)], [Infinity, -Infinity]);
  const [left, right] = range(x);
  const [bottom, top] = range(y);
  const middle = [(left + right) / 2, (bottom + top) / 2];

  // One unit is as long across as it is up.
  const unit = () => {
    const room = 2 * (radius + 12);
    const fit = Math.min((box.clientWidth - room) / (right - left || 1), (box.clientHeight - room) / (top - bottom || 1));
    return fit * view.zoom;
  };
  const across = (i, size) => box.clientWidth / 2 + (x[i] - middle[0]) * size + view.x;
  const down = (i, size) => box.clientHeight / 2 - (y[i] - middle[1]) * size + view.y;

  const variable = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const mixed = (share, stops) => {
    const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const at = Math.min(Math.floor(place), stops.length - 2);
    const parts = [stops[at], stops[at + 1]].map((hex) => [1, 3, 5].map((from) => parseInt(hex.slice(from, from + 2), 16)));
    return `rgb(${parts[0].map((each, i) => Math.round(each + (parts[1][i] - each) * (place - at))).join(",")})`;
  };
  const STEPS = 32;
  const styles = () => {
    if (!scale) return groups.map((each) => ({ colour: variable(each.colour), shape: each.shape }));
    const stops = scale.stops[isDark() ? 1 : 0];
    const steps = Array.from({ length: STEPS }, (_, i) => ({ colour: mixed(i / (STEPS - 1), stops), shape: 0 }));
    return [...steps, { colour: variable("faint"), shape: 0 }];
  };
  const styleOf = scale
    ? scale.values.map((value) => (value === null ? STEPS : Math.round(Math.min(Math.max((value - scale.low) / (scale.high - scale.low || 1), 0), 1) * (STEPS - 1))))
    : group;

  // A disc, then a triangle, a square, a diamond and a cross.
  const CORNERS = [null, [[0, -1.25], [1.2, 1], [-1.2, 1]], [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]], [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
    [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]]];
  const outline = (pen, shape, cx, cy, r) => {
    pen.beginPath();
    const corners = CORNERS[shape];
    if (corners) { corners.forEach(([across, down]) => pen.lineTo(cx + across * r, cy + down * r)); pen.closePath(); }
    else pen.arc(cx, cy, r, 0, 7);
  };

  // Every mark is drawn once and copied: ten thousand copies take a few milliseconds.
  let marks = [];
  function mark(ratio) {
    const half = Math.ceil(1.4 * radius + 1);
    marks = styles().map(({ colour, shape }) => {
      const stamp = document.createElement("canvas");
      stamp.width = stamp.height = 2 * half * ratio;
      const pen = stamp.getContext("2d");
      pen.scale(ratio, ratio);
      outline(pen, shape, half, half, radius);
      pen.globalAlpha = 0.82;
      pen.fillStyle = colour;
      pen.fill();
      pen.globalAlpha = 1;
      pen.lineWidth = 0.7;
      pen.strokeStyle = variable("card");
      pen.stroke();
      return { stamp, half };
    });
  }

  function names(pen, size) {
    if (named === null) return;
    const most = count <= 60 ? 60 : box.clientWidth < 560 ? 14 : 36;
    const taken = [];
    pen.font = "12px system-ui, sans-serif";
    pen.lineWidth = 3;
    pen.strokeStyle = variable("card");
    pen.fillStyle = variable("ink");
    for (let i = 0; i < count && taken.length < most; i++) {
      if (!shown(i)) continue;
      const full = text(about[named], i);
      const short = full.length > 30 ? `${full.slice(0, 29)}…` : full;
      const wide = pen.measureText(short).width;
      const py = down(i, size);
      let px = across(i, size) + radius + 3;
      if (px + wide > box.clientWidth - 3) px -= wide + 2 * radius + 6;
      if (px < 2 || py < 9 || py > box.clientHeight - 9 || px + wide > box.clientWidth) continue;
      const rect = [px - 2, py - 8, px + wide + 2, py + 8];
      if (taken.some((other) => rect[0] < other[2] && rect[2] > other[0] && rect[1] < other[3] && rect[3] > other[1])) continue;
      taken.push(rect);
      pen.strokeText(short, px, py + 4);
      pen.fillText(short, px, py + 4);
    }
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [box.clientWidth, box.clientHeight];
    if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(high * ratio);
    }
    mark(ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = variable("card");
    pen.fillRect(0, 0, wide, high);
    const size = unit();
    for (let i = count - 1; i >= 0; i--) {
      if (!shown(i)) continue;
      const [px, py] = [across(i, size), down(i, size)];
      if (px < -9 || py < -9 || px > wide + 9 || py > high + 9) continue;
      const { stamp, half } = marks[styleOf[i]];
      pen.drawImage(stamp, px - half, py - half, 2 * half, 2 * half);
    }
    names(pen, size);
    if (scale) document.getElementById("scale").style.background = `linear-gradient(to right, ${scale.stops[isDark() ? 1 : 0].join(",")})`;
    if (near >= 0) {
      outline(pen, 0, across(near, size), down(near, size), radius + 2.5);
      pen.lineWidth = 2;
      pen.strokeStyle = variable("ink");
      pen.stroke();
    }
  }
  let asked = false;
  const redraw = () => {
    if (asked) return;
    asked = true;
    window.requestAnimationFrame(() => { asked = false; draw(); });
  };

  const text = (column, i) => {
    const value = column.values ? column.values[i] : column.texts[column.codes[i]];
    return value === null ? "–" : typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(5))) : String(value);
  };
  let near = -1;
  function find(px, py) {
    const size = unit();
    let best = -1;
    let least = 18 * 18;
    for (let i = 0; i < count; i++) {
      if (!shown(i)) continue;
      const [dx, dy] = [across(i, size) - px, down(i, size) - py];
      const far = dx * dx + dy * dy;
      if (far < least) [best, least] = [i, far];
    }
    return best;
  }
  function point(i) {
    if (i === near) return;
    near = i;
    tip.style.display = i < 0 ? "none" : "block";
    tip.replaceChildren();
    if (i >= 0) {
      if (sprite) {
        const times = Math.max(1, Math.round(84 / sprite.width));
        const picture = document.createElement("div");
        picture.className = "picture";
        Object.assign(picture.style, {
          width: `${sprite.width * times}px`, height: `${sprite.height * times}px`, boxSizing: "content-box",
          backgroundImage: `url(${sprite.source})`, backgroundSize: `${sprite.across * sprite.width * times}px ${sprite.down * sprite.height * times}px`,
          backgroundPosition: `${-(i % sprite.across) * sprite.width * times}px ${-Math.floor(i / sprite.across) * sprite.height * times}px`,
        });
        tip.append(picture);
      }
      const list = document.createElement("dl");
      for (const column of about) {
        const [name, value] = [document.createElement("dt"), document.createElement("dd")];
        name.textContent = column.name;
        value.textContent = text(column, i);
        list.append(name, value);
      }
      tip.append(list);
      const size = unit();
      const [px, py] = [across(i, size), down(i, size)];
      const [wide, high] = [tip.offsetWidth, tip.offsetHeight];
      tip.style.left = `${Math.max(4, Math.min(px + 14 + wide > box.clientWidth ? px - wide - 14 : px + 14, box.clientWidth - wide - 4))}px`;
      tip.style.top = `${Math.max(4, Math.min(py - high / 2, box.clientHeight - high - 4))}px`;
    }
    redraw();
  }

  function zoom(factor, px = box.clientWidth / 2, py = box.clientHeight / 2) {
    point(-1);
    const before = view.zoom;
    view.zoom = Math.min(Math.max(before * factor, 0.5), 200);
    const change = view.zoom / before;
    view.x = px - box.clientWidth / 2 - (px - box.clientWidth / 2 - view.x) * change;
    view.y = py - box.clientHeight / 2 - (py - box.clientHeight / 2 - view.y) * change;
    redraw();
  }
  const place = (event) => {
    const edge = canvas.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse") { held = place(event); canvas.setPointerCapture(event.pointerId); }
    else point(find(...place(event)));
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (!held) { if (event.pointerType === "mouse") point(find(...at)); return; }
    view.x += at[0] - held[0];
    view.y += at[1] - held[1];
    held = at;
    point(-1);
    redraw();
  });
  canvas.addEventListener("pointerup", () => { held = null; });
  canvas.addEventListener("pointercancel", () => { held = null; });
  canvas.addEventListener("pointerleave", () => { if (!held) point(-1); });
  canvas.addEventListener("dblclick", (event) => zoom(2, ...place(event)));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), ...place(event));
  }, { passive: false });
  document.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => {
    if (button.dataset.zoom !== "0") { zoom(Number(button.dataset.zoom)); return; }
    Object.assign(view, { zoom: 1, x: 0, y: 0 });
    point(-1);
    redraw();
  }));

  const chips = [...document.querySelectorAll("#legend .chip")];
  const press = () => {
    chips.forEach((chip, i) => chip.setAttribute("aria-pressed", String(!hidden.has(i))));
    point(-1);
    redraw();
  };
  chips.forEach((chip, i) => {
    chip.addEventListener("click", () => {
      if (hidden.has(i)) hidden.delete(i); else hidden.add(i);
      press();
    });
    chip.addEventListener("dblclick", () => {
      const alone = chips.every((_, other) => other === i || hidden.has(other));
      hidden.clear();
      if (!alone) chips.forEach((_, other) => { if (other !== i) hidden.add(other); });
      press();
    });
  });

  document.getElementById("save").addEventListener("click", () => canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = "steepest-map.png";
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }));

  const remembered = () => {
    try { return window.localStorage.getItem("steepest-theme"); } catch { return null; }
  };
  const chosen = remembered();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { window.localStorage.setItem("steepest-theme", root.dataset.theme); } catch { /* a private window */ }
    redraw();
  });
  preferred.addEventListener("change", redraw);
  new ResizeObserver(redraw).observe(box);
  draw();
  root.dataset.ready = "yes";
})();
