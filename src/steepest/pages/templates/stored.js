/** Stored runs: which of them is nearest to a setting, what is said of it, and the sums of their numbers. */

/** The place of the stored value that is nearest to a setting; by ratio on a logarithmic control. */
steepest.nearest = (stored, wanted, log = false) => {
  if (typeof wanted === "string") return Math.max(stored.indexOf(wanted), 0);
  const away = stored.map((each) => (log ? Math.abs(Math.log(each / wanted)) : Math.abs(each - wanted)));
  return away.indexOf(Math.min(...away));
};

/** Say which stored runs are shown where settings are others: [[label, wanted, found, log]]; stops of a logarithmic control are rounded to 1 %. */
steepest.snap = (page, pairs) => {
  const apart = ([, wanted, found, log]) => (typeof wanted === "string" ? wanted !== found : Math.abs(found - wanted) > (log ? 0.01 : 1e-6) * Math.abs(wanted));
  const said = pairs.filter(apart).map(([label, , found]) => `${label} ${steepest.number(found, 3)}`);
  page.note(said.length ? `Shown is the nearest stored run: ${said.join(", ")}.` : "");
};

/** The mean; no number where one of them is missing. */
steepest.mean = (values) => (values.includes(null) ? NaN : values.reduce((sum, each) => sum + each, 0) / values.length);

/** From the lowest to the highest, as text. */
steepest.ends = (values, digits = 3) => (values.includes(null) ? "one diverged" : `${steepest.number(Math.min(...values), digits)} to ${steepest.number(Math.max(...values), digits)}`);
