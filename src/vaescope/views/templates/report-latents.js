// Latents, disentanglement, losses and pictures: the other views that follow what is picked.
const COLOURS = ["#2b7bdc", "#d97a0b", "#17976a", "#cc3f5d", "#7f4fd0", "#0f7f8c", "#9c7a3c", "#6d7bb8", "#b98a00", "#c76a86", "#5a62e0", "#6f9a1e"];
const KINDS = { active: "#17976a", mixed: "#b98a00", passive: "#7a828c", active_units: "#5a62e0" };

const SHORT = {
  active: "active", mixed: "mixed", passive: "passive", active_units: "active units", mean_sampled: "measured", gauge: "closed form", kl: "KL", mutual_information: "mutual information",
  marginal_kl: "marginal KL", total_correlation: "total correlation",
};

/** Lines over steps of several entries with settings and runs. */
function linesOf(entries, who, look) {
  return entries.flatMap((entry, i) => {
    const found = over(entry, who);
    if (!found.y) return [];
    const at = page.steps.map((_, s) => s).filter((s) => known(found.y[s]));
    if (!at.length) return [];
    const keep = (values) => (values ? at.map((s) => values[s]) : null);
    return [{ x: keep(page.steps), y: keep(found.y), low: keep(found.low), high: keep(found.high), mark: MARKS[i % MARKS.length], ...look(entry, i) }];
  });
}
const overSteps = () => ({ log: true, domain: [0, page.steps.at(-1) ?? 1] });

function latents(side) {
  const who = unit(side);
  const of = (...names) => names.flatMap((name) => page.posterior.filter((p) => p.name === name));
  const look = (colours) => (entry, i) => ({ name: SHORT[entry.name] ?? entry.title, colour: colours[entry.name] ?? COLOURS[i] });
  const draw = (id, entries, label, y, colours = {}) => {
    const place = on(side, id);
    if (!place) return;
    const series = linesOf(entries, who, look(colours));
    place.closest("figure").hidden = !series.length;
    if (series.length) lineChart(place, { label, x: overSteps(), y, series, cursor: page.steps[picked.step], height: 220, pick: (s, i) => toStep(s.x[i]) });
  };
  draw("kinds", of("active", "mixed", "passive", "active_units"), "Kinds of latents over steps", { title: "latents", domain: [0, page.study.latents || 10] }, KINDS);
  draw("gauge", of("mean_sampled", "gauge"), "CKA of mean and sampled codes, measured and by the closed form", { title: "CKA(mean, sampled)", domain: [0, 1] });
  draw("nats", of("kl", "mutual_information", "marginal_kl", "total_correlation"), "Nats over steps", { title: "nats", digits: 2 });
  eachLatent(side, who);
  const entries = page.disentanglement.filter((d) => d.codes === picked.codes);
  const place = on(side, "disentanglement");
  if (place) {
    const series = linesOf(entries, who, (entry, i) => ({ name: entry.title, colour: COLOURS[i % COLOURS.length], dash: i % 2 ? "6 3" : null }));
    const high = Math.max(1, extent(series.flatMap((s) => s.y))[1] || 1);
    lineChart(place, { label: `Disentanglement of ${picked.codes} codes over steps`, x: overSteps(), y: { title: "score", domain: [0, high] }, series, cursor: page.steps[picked.step], height: 320, pick: (s, i) => toStep(s.x[i]) });
    laterTable(on(side, "disentanglement-table"), () => [`${who.label}, ${picked.codes} codes, at step ${count(page.steps[picked.step])}`, ["score", "value", "interval"],
      entries.map((entry) => { const f = over(entry, who); return [entry.title, shown(f.y?.[picked.step], 3), between(f.low?.[picked.step], f.high?.[picked.step], 3)]; })]);
  }
  laterTable(on(side, "latent-table"), () => [`${who.label}, at step ${count(page.steps[picked.step])}`, ["", "value", "interval"],
    page.posterior.map((entry) => { const f = over(entry, who); return [entry.unit ? `${entry.title} (${entry.unit})` : entry.title, shown(f.y?.[picked.step], 3), between(f.low?.[picked.step], f.high?.[picked.step], 3)]; })]);
}

/** KL of each latent at the picked step as bars, with its kind in words. */
function eachLatent(side, who) {
  const place = on(side, "each-latent");
  if (!place) return;
  const one = who.run ?? page.settings[who.setting]?.runs[0];
  const source = page.latents;
  const kl = source && one !== undefined ? source.names.map((_, z) => slice(source.runs.kl, one, z)?.[picked.step]) : [];
  const there = kl.some(known);
  on(side, "each-status").textContent = there ? `${page.runs[one].label}, step ${count(page.steps[picked.step])}: KL in nats.` : "No KL of each latent here at this step.";
  if (!there) { place.replaceChildren(); return; }
  const all = source.names.flatMap((_, z) => Array.from(slice(source.runs.kl, one, z)));
  const most = Math.max(0.1, extent(all)[1]);
  place.replaceChildren(...kl.map((value, z) => {
    const kind = slice(source.runs.kind, one, z)?.[picked.step];
    const word = source.kinds?.[kind] ?? "";
    const bar = element("span", { class: `bar ${word}` });
    bar.style.width = `${Math.max(0, Math.min(1, (value || 0) / most)) * 100}%`;
    return element("li", null, element("span", { class: "which" }, source.names[z]), element("span", { class: "track" }, bar), element("span", { class: "much" }, shown(value)), element("span", { class: "kind" }, word));
  }));
}

function losses(side) {
  const source = page.losses;
  if (!source) return;
  const who = unit(side);
  const mine = page.settings[who.setting]?.runs ?? [];
  for (const [name, title_] of [["loss", "loss"], ["reconstruction", "reconstruction"], ["kl", "KL"]]) {
    const place = on(side, `losses-${name}`);
    if (!place) continue;
    const series = mine.map((r) => {
      const y = slice(source[name], r) ?? [];
      const at = source.steps.map((_, k) => k).filter((k) => known(y[k]));
      const own = who.run === null || r === who.run;
      return { name: mine.length > 1 || own ? `seed ${page.runs[r].seed}` : "", faint: !own, colour: own ? COLOURS[mine.indexOf(r) % COLOURS.length] : null, mark: null, x: at.map((k) => source.steps[k]), y: at.map((k) => y[k]) };
    }).filter((s) => s.x.length);
    if (!series.length) {
      fitted(place, () => place.replaceChildren(element("p", { class: "hint" }, "Not recorded.")));
      continue;
    }
    const [bottom, top] = extent(series.flatMap((s) => s.y));
    const wide = name !== "kl" && bottom > 0;
    lineChart(place, { label: `${title_} over steps`, x: { log: true, domain: [0, source.steps.at(-1) ?? 1] }, y: { title: `${title_} (nats)`, log: wide, domain: wide ? [bottom * 0.95, top * 1.05] : null, digits: 1 }, series: series.sort((a, b) => b.faint - a.faint), height: 210 });
  }
}

function pictures(side) {
  const place = on(side, "picture-figures");
  if (!place) return;
  const who = unit(side);
  const candidates = who.run !== null ? [who.run] : page.settings[who.setting]?.runs ?? [];
  const run = candidates.find((r) => page.pictures[r]) ?? candidates[0];
  const kept = page.pictures[run] ?? {};
  const steps = Object.keys(kept).map(Number).sort((p, q) => p - q);
  const at = steps[upTo(steps, page.steps[picked.step])];
  const found = kept[at];
  place.hidden = !found;
  on(side, "picture-status").textContent = found ? `${page.runs[run].label}, step ${count(at)}${at === page.steps[picked.step] ? "" : ` (the nearest that has pictures; picked: ${count(page.steps[picked.step])})`}.` : "No pictures of this run on this page.";
  if (!found) return;
  for (const [id, what, text] of [["picture-pairs", "pairs", "Originals above, reconstructions below"], ["picture-walk", "walk", "Latent traversals, one row a latent"]]) {
    const image = on(side, id);
    if (image.src !== found[what]) image.src = found[what];
    image.alt = `${text}: ${page.runs[run].label}, step ${at}`;
  }
}
