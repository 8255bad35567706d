// needs: stored.js
/** Stored runs: the controls choose the nearest ones, and the page says which. */
steepest.view = (page) => {
  const { grid, controls } = page.content, names = Object.keys(grid.over);
  const byName = new Map(controls.map((each) => [each.name, each]));
  const finite = grid.values.flat(2).filter((each) => each !== null && (!grid.log || each > 0));
  const low = Math.min(...finite), high = Math.max(...finite), room = (high - low) * 0.04 || 1;
  const range = grid.log ? [low / 1.2, high * 1.2] : [low - room, high + room];

  return {
    update(to) {
      const snapped = [];
      let place = 0;
      for (const name of names) {
        const wanted = to.value(name), i = steepest.nearest(grid.over[name], wanted, byName.get(name).log);
        place = place * grid.over[name].length + i;
        snapped.push([byName.get(name).label, wanted, grid.over[name][i], byName.get(name).log]);
      }
      const runs = grid.values[place];
      steepest.snap(to, snapped);
      const figure = to.figure("runs", grid.y_title);
      figure.classList.add("foremost", "broad");
      steepest.plot(figure, {
        label: `${grid.y_title} by ${grid.x_title}, for ${grid.lines.map((each) => each.title).join(", ")}.`,
        x: { title: grid.x_title, range: [grid.x[0], grid.x[grid.x.length - 1]] },
        y: { title: grid.y_title, range, log: grid.log },
        lines: grid.lines.map((each, k) => ({
          name: each.title, series: k % 10, dash: ["solid", "dash", "dot", "dashdot"][k % 4],
          points: grid.x.map((x, i) => [x, runs[k][i] ?? NaN]),
        })),
      });
      to.say(grid.lines.map((each, k) => {
        const known = runs[k].filter((value) => value !== null), last = runs[k][runs[k].length - 1];
        return { label: each.title, series: k % 10, value: last === null ? "diverged" : steepest.number(last, 4), note: known.length ? `lowest ${steepest.number(Math.min(...known), 4)}` : "" };
      }));
      to.rows(
        grid.x.map((x, i) => Object.fromEntries([["x", x], ...grid.lines.map((each, k) => [each.key, runs[k][i] ?? NaN])])),
        page.content.columns.length ? page.content.columns
          : [{ key: "x", title: grid.x_title }, ...grid.lines.map((each) => ({ key: each.key, title: each.title, digits: 5 }))],
      );
    },
  };
};
