// Dot-and-line charts: one row a thing, a dot with its interval for each reading, lines for thresholds.

/**
 * Draw dots into a place, as wide as it is.
 *
 * spec: label, x {title, domain, ticks, text(value), rules [{at, text}]}, rows [{name, part, group, points [{kind, name, at, low, high, notes}]}]; kind: "main"
 * (filled), "plain" (ring), "fed" (diamond), "ceiling" (bar), "floor" (thin bar).
 */
function dotChart(place, spec) {
  fitted(place, () => drawDots(place, spec));
}

function drawDots(place, spec) {
  const wide = Math.max(place.clientWidth, 200);
  const longest = Math.max(0, ...spec.rows.map((r) => r.name.length));
  const left = Math.round(Math.min(longest * 6.5 + 14, wide * 0.42));
  const most = Math.floor((left - 14) / 6.5);
  const each = spec.each ?? (spec.rows.length > 30 ? 17 : 22);
  const [top, right, bottom] = [spec.x.rules?.some((r) => r.text) ? 20 : 8, 16, 40];
  const high = top + spec.rows.length * each + bottom;
  const width = wide - left - right;
  const numbers = spec.rows.flatMap((r) => r.points.flatMap((p) => [p.at, p.low, p.high])).concat((spec.x.rules ?? []).map((r) => r.at));
  let [low, up] = spec.x.domain ?? extent(numbers);
  if (!Number.isFinite(low)) [low, up] = [0, 1];
  if (!spec.x.domain) { const room = (up - low || 1) * 0.06; low -= room; up += room; }
  const x = (v) => left + ((Math.max(low, Math.min(up, v)) - low) / (up - low)) * width;
  const root = svg("svg", { width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, "aria-hidden": "true", focusable: "false" });
  const axis = svg("g", { class: "axis" });
  const bottomAt = top + spec.rows.length * each;
  for (const tick of spec.x.ticks ?? roundTicks(low, up, Math.min(7, width / 60))) {
    axis.append(svg("path", { class: "grid", d: `M${x(tick)},${top}V${bottomAt}` }));
    axis.append(svg("text", { x: x(tick), y: bottomAt + 17, "text-anchor": "middle" }, spec.x.text?.(tick) ?? plain(tick)));
  }
  const half = ((spec.x.title?.length ?? 0) * 6) / 2;
  axis.append(svg("text", { class: "title", x: Math.max(half, Math.min(left + width / 2, wide - half)), y: high - 5, "text-anchor": "middle" }, spec.x.title ?? ""));
  root.append(axis);
  for (const rule of spec.x.rules ?? []) {
    root.append(svg("path", { class: "rule", d: `M${x(rule.at)},${top - 2}V${bottomAt}` }));
    if (rule.text) root.append(svg("text", { class: "note", x: x(rule.at), y: top - 7, "text-anchor": x(rule.at) > wide * 0.75 ? "end" : x(rule.at) < left + 60 ? "start" : "middle" }, rule.text));
  }
  const points = [];
  spec.rows.forEach((row, r) => {
    const middle = top + (r + 0.5) * each;
    const name = row.name.length > most ? `${row.name.slice(0, most - 1)}…` : row.name;
    if (r && row.group !== spec.rows[r - 1].group) root.append(svg("path", { class: "grid", d: `M0,${top + r * each}H${wide - right}` }));
    root.append(svg("text", { class: `rowname ${row.part ?? ""}`, x: left - 10, y: middle + 4, "text-anchor": "end" }, name));
    const dots = row.points.filter((p) => known(p.at) && p.kind !== "ceiling" && p.kind !== "floor");
    row.points.forEach((p) => {
      if (!known(p.at)) return;
      const place_ = dots.indexOf(p);
      const y = place_ < 0 ? middle : middle + (place_ - (dots.length - 1) / 2) * Math.min(8, each / (dots.length + 0.6));
      const group = svg("g", { class: `dot ${p.kind} ${row.part ?? ""}` });
      if (p.kind === "ceiling" || p.kind === "floor") group.append(svg("path", { d: `M${x(p.at)},${middle - each * 0.36}V${middle + each * 0.36}` }));
      else {
        if (known(p.low) && known(p.high)) group.append(svg("path", { d: `M${x(p.low)},${y}H${x(p.high)}` }));
        if (p.kind === "fed") group.append(svg("path", { class: "solid", d: `M${x(p.at)},${y - 5}l5,5l-5,5l-5,-5Z` }));
        else group.append(svg("circle", { cx: x(p.at), cy: y, r: p.kind === "main" ? 4 : 3.6 }));
      }
      root.append(group);
      points.push({ row, p, r, x: x(p.at), y });
    });
  });
  const ring = svg("circle", { class: "ring", r: 8, visibility: "hidden" });
  root.append(ring);
  const stage = element("div", { class: "stage", tabindex: 0, role: "application", "aria-roledescription": "chart", "aria-label": `${spec.label}. Arrow keys go from point to point.` }, root);
  let here = null;
  const show = (found, aloud) => {
    here = found;
    ring.setAttribute("cx", found.x); ring.setAttribute("cy", found.y); ring.setAttribute("visibility", "visible");
    const say_ = spec.x.say ?? ((v) => shown(v));
    const told = [["", found.row.name], [found.p.name, say_(found.p.at)], ["interval", known(found.p.low) ? `${say_(found.p.low)} to ${say_(found.p.high)}` : ""], ...(found.p.notes ?? [])];
    const box = root.getBoundingClientRect();
    tip(told, box.left + found.x, box.top + found.y);
    if (aloud) say(told.filter(([, text]) => text).map((line) => line.join(" ").trim()).join(", "));
  };
  const hide = () => { ring.setAttribute("visibility", "hidden"); tip(null); };
  stage.addEventListener("pointermove", (event) => {
    const box = root.getBoundingClientRect();
    const [mx, my] = [event.clientX - box.left, event.clientY - box.top];
    const best = points.reduce((a, p) => { const d = (p.x - mx) ** 2 + 4 * (p.y - my) ** 2; return d < a.d ? { d, p } : a; }, { d: 60 ** 2, p: null }).p;
    if (best) show(best, false); else hide();
  });
  stage.addEventListener("pointerleave", hide);
  stage.addEventListener("blur", hide);
  stage.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { hide(); return; }
    const turn = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!turn || !points.length) return;
    event.preventDefault();
    show(points[Math.max(0, Math.min(points.length - 1, here ? points.indexOf(here) + turn : 0))], true);
  });
  const focused = place.contains(document.activeElement);
  place.replaceChildren(stage);
  if (focused) stage.focus({ preventScroll: true });
}

/**
 * The small line of a verdict: the statistic with its interval against the threshold, with the controls above (the first reading that says what the
 * verdict says) and without below. */
function verdictLine(place, { tone, plain: without, readings }) {
  const control = readings.find((r) => r.tone === tone) ?? readings[0];
  const told = [control, without].filter(Boolean);
  if (!told.some((r) => known(r.estimate))) return;
  const numbers = told.flatMap((r) => [r.estimate, r.low, r.high, r.threshold]).filter(known);
  fitted(place, () => {
    const wide = Math.max(place.clientWidth, 120);
    let [low, up] = extent(numbers);
    const room = (up - low || 1) * 0.12;
    [low, up] = [low - room, up + room];
    const x = (v) => 6 + ((v - low) / (up - low)) * (wide - 12);
    const root = svg("svg", { width: wide, height: 42, viewBox: `0 0 ${wide} 42`, "aria-hidden": "true", focusable: "false" });
    root.append(svg("path", { class: "base", d: `M6,13H${wide - 6}M6,30H${wide - 6}` }));
    told.forEach((r) => {
      const y = r === control ? 13 : 30;
      const group = svg("g", { class: `dot ${r === control ? "main" : "plain"} ${r.tone}` });
      if (known(r.low) && known(r.high)) group.append(svg("path", { d: `M${x(r.low)},${y}H${x(r.high)}` }));
      if (known(r.estimate)) group.append(svg("circle", { cx: x(r.estimate), cy: y, r: r === control ? 5 : 4 }));
      if (known(r.threshold) && known(r.estimate)) group.append(svg("path", { class: "threshold", d: `M${x(r.threshold)},${y - 9}V${y + 9}` }));
      root.append(group);
    });
    place.replaceChildren(root);
  });
}
