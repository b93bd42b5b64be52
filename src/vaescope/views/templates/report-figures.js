// The first screen: the lines of the verdicts and the three figures that matter.
const key = (...items) => element("ul", { class: "key" }, items.map(([kind, text]) => element("li", { class: kind }, text)));

function verdicts() {
  for (const place of document.querySelectorAll(".against[data-claim]")) {
    const found = page.verdicts?.find((v) => v.claim === place.dataset.claim);
    if (found) verdictLine(place, found);
  }
}

/** Encoder, latent and decoder over steps: raw beside floor-corrected. */
function figureCurves(place) {
  const table = rows(page.figures?.curves?.parts);
  if (!table.length) return;
  const layers = rows(page.figures.curves.layers);
  const readings = [...new Set(table.map((r) => r.reading))];
  const hosts = readings.map(() => element("div", { class: "chart" }));
  place.replaceChildren(element("div", { class: "panels wide" }, readings.map((reading, i) =>
    element("div", null, element("h4", null, reading === "raw" ? "As measured" : reading === "corrected" ? "With the floor taken off" : title(page.readings, reading)), hosts[i]))));
  readings.forEach((reading, i) => {
    const series = (some, more) => some.sort((a, b) => a.step - b.step).reduce((made, r) => {
      for (const [name, column] of [["x", "step"], ["y", "mean"], ["low", "low"], ["high", "high"]]) made[name].push(r[column] ?? null);
      return made;
    }, { x: [], y: [], low: [], high: [], ...more });
    const faint = [...new Set(layers.map((r) => r.layer))].map((layer) => {
      const mine = layers.filter((r) => r.layer === layer && r.reading === reading);
      return { ...series(mine, { name: layer, part: mine[0]?.part, faint: true }), low: null, high: null };
    });
    const main = ["encoder", "latent", "decoder", "other"].map((part) => {
      const mine = table.filter((r) => r.part === part && r.reading === reading);
      return series(mine, { name: part, part, mark: { encoder: "circle", latent: "square", decoder: "up", other: "circle" }[part], notes: (k) => [["runs", `${mine[k]?.runs ?? ""}, of ${many(mine[k]?.seeds ?? 0, "seed")}`]] });
    }).filter((s) => s.x.length);
    lineChart(hosts[i], {
      label: `Similarity to the end of training by part, ${reading}`, x: { log: true, domain: [0, Math.max(...table.map((r) => r.step))] },
      y: { title: i ? "" : "similarity to the end", domain: [0, 1] }, series: [...faint.filter((s) => s.x.length), ...main], rules: [{ y: 0.9, text: "0.9" }],
    });
  });
}

/** Whole doublings about 0 on an axis, as many as there is room for. */
function doublings(low, high, room) {
  const each = [1, 2, 4, 8].find((size) => (high - low) / size <= room) ?? 8;
  const made = [];
  for (let v = Math.ceil(low / each) * each; v <= high; v += each) made.push(v);
  return made;
}

/** The lead of the encoder in each setting, without controls and with. */
function figureLeads(place) {
  const table = rows(page.figures?.leads);
  if (!table.length) return;
  const order = [...new Set(table.map((r) => r.setting))];
  const most = 40;
  const times = (v) => `${2 ** v >= 10 ? count(Math.round(2 ** v)) : plain(2 ** v)}×`;
  const timed = (v) => (v < 0 ? `1/${count(2 ** -v)}×` : `${count(2 ** v)}×`);
  const all = table.filter((r) => order.indexOf(r.setting) < most);
  const [lowest, highest_] = extent(all.flatMap((r) => [r.lead, r.low, r.high]).map((v) => (known(v) ? Math.max(-10, Math.min(10, v)) : v)));
  const axis = [Math.min(-1, Math.floor(lowest || 0)), Math.max(1, Math.ceil(highest_ || 0))];
  const kind = (reading) => (reading === "raw" ? "plain" : reading === "corrected" ? "main" : "fed");
  const host = element("div", { class: "chart" });
  const named = [...new Map(table.map((r) => [r.reading, r.title])).entries()];
  place.replaceChildren(host, key(...named.map(([reading, text]) => [kind(reading), text])));
  if (order.length > most) place.append(element("p", { class: "hint" }, `The first ${most} of ${count(order.length)} settings; the table of leads has more.`));
  dotChart(host, {
    label: "Lead of the encoder over the decoder", each: named.length > 2 ? 30 : 24, rows: order.slice(0, most).map((setting) => {
      const mine = table.filter((r) => r.setting === setting);
      return { name: setting, group: mine[0].objective, points: mine.map((r) => ({ kind: kind(r.reading), name: r.title, at: r.lead, low: r.low, high: r.high, notes: [["runs", `${r.runs}, of ${many(r.seeds, "seed")}`]] })) };
    }),
    x: { title: "steps of the decoder for one of the encoder", domain: axis, ticks: doublings(...axis, host.clientWidth / 90), text: timed, say: times, rules: [{ at: 0, text: "together" }] },
  });
}

/** Each layer between runs that differ in one thing, against the ceiling of another seed. */
function figureAcross(place) {
  const table = rows(page.figures?.across);
  if (!table.length) return;
  const things = [...new Set(table.map((r) => r.differ_in))];
  const layers = page.layers.map((l) => l.name).filter((name) => table.some((r) => r.layer === name));
  const hosts = things.map(() => element("div", { class: "chart" }));
  place.replaceChildren(element("div", { class: "panels wide" }, things.map((thing, i) => element("div", null, element("h4", null, `Another ${thing}`), hosts[i]))),
    key(["main", "similarity of the two runs"], ["ceiling", "another seed, all else equal"], ["floor", "an untrained layer"]));
  things.forEach((thing, i) => {
    dotChart(hosts[i], {
      label: `Similarity of layers of runs that differ in the ${thing}`, x: { title: "similarity at the end of training", domain: [0, 1] }, each: 18,
      rows: layers.map((name) => {
        const r = table.find((t) => t.layer === name && t.differ_in === thing);
        const points = r ? [{ kind: "main", name: `other ${thing}`, at: r.score, low: r.low, high: r.high, notes: [["pairs", count(r.pairs)]] }, { kind: "ceiling", name: "other seed", at: thing === "seed" ? null : r.ceiling }, { kind: "floor", name: "untrained", at: r.floor }] : [];
        return { name, part: partOf(name), group: partOf(name), points };
      }),
    });
  });
}
