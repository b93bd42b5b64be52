// The heatmap: a table of numbers whose cells are coloured, walked by arrow keys. It is its own text alternative.
const VIRIDIS = [
  [68, 1, 84], [71, 19, 101], [72, 36, 117], [70, 52, 128], [65, 68, 135], [59, 82, 139], [53, 95, 141], [47, 108, 142], [42, 120, 142], [37, 132, 142], [33, 145, 140],
  [30, 156, 137], [34, 168, 132], [47, 180, 124], [68, 191, 112], [94, 201, 98], [122, 209, 81], [155, 217, 60], [189, 223, 38], [223, 227, 24], [253, 231, 37],
];
function viridis(share) {
  const at = Math.max(0, Math.min(1, share)) * (VIRIDIS.length - 1);
  const i = Math.min(VIRIDIS.length - 2, Math.floor(at));
  return VIRIDIS[i].map((v, k) => Math.round(v + (VIRIDIS[i + 1][k] - v) * (at - i)));
}
const light = (rgb) => rgb.map((v) => (v <= 10 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4)).reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);

/**
 * Draw a heatmap, or give the one there new numbers.
 *
 * spec: caption, rows and columns [{name, part}], value(i, j), half(i, j), high (score of the last colour), chosen [i, j], pick(i, j), notes(i, j).
 */
function heatGrid(table, spec) {
  const layout = JSON.stringify([spec.rows, spec.columns]);
  table.spec = spec;
  if (table.dataset.layout !== layout) buildHeat(table, spec, layout);
  table.tHead.previousElementSibling.textContent = spec.caption;
  const [ci, cj] = spec.chosen ?? [-1, -1];
  table.cells.forEach((line, i) => line.forEach((cell, j) => {
    const value = spec.value(i, j);
    const text = shown(value);
    if (cell.textContent !== text) cell.textContent = text;
    if (known(value)) {
      const rgb = viridis(value / (spec.high ?? 1));
      cell.style.backgroundColor = `rgb(${rgb})`;
      cell.style.color = light(rgb) > 0.179 ? "#000" : "#fff";
    } else { cell.style.backgroundColor = ""; cell.style.color = ""; }
    cell.classList.toggle("none", !known(value));
    cell.setAttribute("aria-selected", String(i === ci && j === cj));
  }));
}

function buildHeat(table, spec, layout) {
  table.dataset.layout = layout;
  table.setAttribute("role", "grid");
  const head = element("tr", null, element("td", { class: "corner" }), spec.columns.map((c) => element("th", { scope: "col", class: c.part }, element("span", null, c.name))));
  table.cells = spec.rows.map(() => spec.columns.map(() => element("td", { role: "gridcell", tabindex: -1 })));
  const body = spec.rows.map((r, i) => element("tr", null, element("th", { scope: "row", class: r.part }, r.name), table.cells[i]));
  table.replaceChildren(element("caption", null, spec.caption), element("thead", null, head), element("tbody", null, body));
  table.style.setProperty("--columns", spec.columns.length);
  const [ci, cj] = spec.chosen ?? [0, 0];
  (table.cells[ci]?.[cj] ?? table.cells[0]?.[0])?.setAttribute("tabindex", 0);
  if (table.dataset.heard) return;
  table.dataset.heard = "yes";
  const place = (target) => {
    const cell = target.closest?.("td[role=gridcell]");
    return cell ? [cell.parentElement.rowIndex - 1, cell.cellIndex - 1] : null;
  };
  const focus = (i, j) => {
    table.querySelector("td[tabindex='0']")?.setAttribute("tabindex", -1);
    const cell = table.cells[i][j];
    cell.setAttribute("tabindex", 0);
    cell.focus();
  };
  const told = ([i, j]) => {
    const { rows: r, columns: c, value, half, notes } = table.spec;
    const v = value(i, j);
    const h = half?.(i, j);
    return [["row", r[i].name], ["column", c[j].name], ["score", known(v) ? shown(v, 3) : "not computed"],
      ["interval", known(v) && known(h) ? between(v - h, v + h, 3) : ""], ...(notes?.(i, j) ?? [])];
  };
  const point = (target, aloud) => {
    const at = place(target);
    if (!at) { tip(null); return; }
    const box = table.cells[at[0]][at[1]].getBoundingClientRect();
    tip(told(at), box.right - 8, box.bottom - 8);
    if (aloud) say(told(at).filter(([, text]) => text).map((line) => line.join(" ")).join(", "));
  };
  table.addEventListener("pointerover", (event) => point(event.target, false));
  table.addEventListener("pointerleave", () => tip(null));
  table.addEventListener("focusin", (event) => point(event.target, true));
  table.addEventListener("focusout", () => tip(null));
  table.addEventListener("click", (event) => {
    const at = place(event.target);
    if (at) { focus(...at); table.spec.pick?.(...at); }
  });
  table.addEventListener("keydown", (event) => {
    const at = place(event.target);
    if (!at) return;
    const [i, j] = at;
    const [last, end] = [table.cells.length - 1, table.cells[0].length - 1];
    const to = {
      ArrowRight: [i, Math.min(end, j + 1)], ArrowLeft: [i, Math.max(0, j - 1)], ArrowDown: [Math.min(last, i + 1), j], ArrowUp: [Math.max(0, i - 1), j],
      Home: [event.ctrlKey ? 0 : i, 0], End: [event.ctrlKey ? last : i, end],
    }[event.key];
    if (to) { event.preventDefault(); focus(...to); }
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); table.spec.pick?.(i, j); }
    if (event.key === "Escape") tip(null);
  });
}
