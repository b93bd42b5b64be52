// Starts the page and keeps its views together: a picker changes what is picked, and every view in sight is drawn from that.
const VIEWS = [["heat", heatmap], ["cell", chosenCell], ["curves", curves], ["latents", latents], ["losses", losses], ["pictures", pictures]];

function explore() {
  for (const [name, draw] of VIEWS) {
    const place = $(`view-${name}`);
    if (!place) continue;
    place.classList.toggle("both", picked.both);
    for (const half of place.querySelectorAll(".side-b")) half.hidden = !picked.both;
    for (const label of place.querySelectorAll(".side-name")) {
      label.hidden = !picked.both;
      label.textContent = `${label.dataset.side.toUpperCase()}: ${unit(label.dataset.side).label}`;
    }
    soon(place, () => sides().forEach(draw));
  }
}

/** Something was picked: make it possible, show it, write it into the address, draw it. */
function changed() {
  document.documentElement.dataset.ready = "no";
  settle();
  showPicked();
  write();
  explore();
  document.documentElement.dataset.ready = "yes";
}

/** A second copy of every view, for the second run: the same elements with "-b" at the end of their names. */
function doubled() {
  for (const side of document.querySelectorAll("#explore .side")) {
    const twin = side.cloneNode(true);
    for (const part of [twin, ...twin.querySelectorAll("[id]")]) if (part.id) part.id += "-b";
    for (const part of twin.querySelectorAll("[aria-labelledby]")) part.setAttribute("aria-labelledby", `${part.getAttribute("aria-labelledby")}-b`);
    for (const part of twin.querySelectorAll("[data-side]")) part.dataset.side = "b";
    for (const part of twin.querySelectorAll("[aria-label]")) part.setAttribute("aria-label", `${part.getAttribute("aria-label")}, second run`);
    twin.classList.add("side-b");
    twin.hidden = true;
    side.after(twin);
  }
}

function listen() {
  for (const [side, prefix] of [["a", "pick"], ["b", "pick-b"]]) {
    for (const factor of [...FACTORS, "seed"]) $(`${prefix}-${factor}`).addEventListener("input", (event) => { picked[side][factor] = event.target.value; changed(); });
  }
  for (const name of ["measure", "reference", "reading", "against", "control"]) $(`pick-${name}`).addEventListener("input", (event) => { picked[name] = event.target.value; changed(); });
  $("pick-step").addEventListener("input", (event) => { picked.step = Number(event.target.value); changed(); });
  $("pick-both").addEventListener("input", (event) => {
    picked.both = event.target.checked;
    if (picked.both && !paired) second();
    changed();
  });
  $("pick-codes")?.addEventListener("input", (event) => { picked.codes = event.target.value; changed(); });
  $("share").addEventListener("click", async () => {
    writeNow();
    const said = await navigator.clipboard?.writeText(location.href).then(() => "The address of this view is in the clipboard.").catch(() => null);
    $("share-said").textContent = said ?? "The address of this page, with all after #, is this view.";
  });
  addEventListener("hashchange", () => { if (location.hash.includes("&") && read(location.hash)) changed(); });
}

let paired = location.hash.includes("&b-");
/** The second run to begin with: the next setting, or the next seed where there is only one. */
function second() {
  paired = true;
  const next = (unit("a").setting + 1) % page.settings.length;
  for (const factor of FACTORS) picked.b[factor] = page.settings[next][factor];
  picked.b.seed = picked.a.seed;
  if (page.settings.length === 1) picked.b.seed = String(page.runs.at(-1).seed);
}

async function start() {
  const root = document.documentElement;
  root.classList.replace("no-js", "js");
  addEventListener("beforeprint", () => { drawAll(); for (const kept of document.querySelectorAll("details.printed")) kept.open = true; });
  verdicts();
  for (const [id, draw] of [["figure-curves", figureCurves], ["figure-leads", figureLeads], ["figure-across", figureAcross]]) soon($(id), () => draw($(id)));
  await inflate();
  if ($("pick-step") && page.settings.length) {
    doubled();
    for (const factor of FACTORS) picked.a[factor] = page.settings[0][factor];
    picked.step = Math.max(0, page.steps.length - 1);
    const shared = location.hash.includes("&") && read(location.hash);
    if (!shared) firstView();
    settle();
    showPicked();
    listen();
    explore();
    if (shared) $("explore").scrollIntoView();
  }
  if (location.hash && !location.hash.includes("&")) $(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  requestAnimationFrame(() => { root.dataset.ready = "yes"; performance.mark("ready"); });
}

/** What a first look shows: a step late enough for pictures and early enough for layers to differ, and the last layer of the decoder. */
function firstView() {
  picked.step = Math.floor(page.steps.length * 0.75);
  const last = page.layers.filter((l) => l.part === "decoder").at(-1)?.name;
  if (last) picked.cell = [last, last];
}

queueMicrotask(start);
