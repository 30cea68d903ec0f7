
"use strict";
const at = id => document.getElementById(id);
// The page may be mounted anywhere, with or without a slash behind its path.
const base = location.pathname.replace(/\/?$/, "/");
at("api").href = base + "openapi.json";
let model = null, current = null, turn = 0;

const percent = share => (100 * share).toFixed(1) + " %";
const number = value => Math.abs(value) >= 1000 ? value.toFixed(1) : String(Number(value.toPrecision(4)));

function fail(message) {
  at("status").textContent = "";
  at("error").textContent = message;
  at("error").hidden = false;
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(base + path, options);
  } catch {
    throw new Error("The service cannot be reached; is it still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `The service answered ${response.status}.`);
  return body;
}

async function start() {
  try {
    model = await ask("model");
  } catch (error) {
    return fail(error.message);
  }
  document.title = `${model.name} - rekindle`;
  at("name").textContent = model.name;
  const [height, width] = model.input_size;
  const several = model.networks > 1 ? `${model.networks} networks` : model.architecture;
  at("about").textContent = `${model.task}, ${model.classes.length} ${model.classes.length === 1 ? "output" : "outputs"}, ${several}, ${width} × ${height} pixels`;
}

function accept(file) {
  if (!file) return;
  const mine = ++turn;
  at("error").hidden = true;
  at("status").textContent = "Working…";
  predict(file, mine).catch(error => {
    if (mine === turn) { at("result").hidden = true; fail(error.message); }
  });
}

async function predict(file, mine) {
  if (!model) await start();
  if (!model) return;
  const top = model.outputs === "classes" ? `?top=${Math.min(5, model.classes.length)}` : "";
  const [said] = (await ask("predict" + top, { method: "POST", headers: { "content-type": "application/octet-stream" }, body: file })).predictions;
  if (mine !== turn) return;
  current = file;
  show(said, file);
  at("status").textContent = "";
  at("result").hidden = false;
  at("answer").focus();
  if (model.explain) await explain(null, mine);
}

function show(said, file) {
  const numbers = Boolean(said.numbers);
  const values = Object.entries(said.numbers || said.probabilities);
  // An object's keys that are numbers come in their own order.
  if (!numbers) values.sort((a, b) => b[1] - a[1]);
  at("likeliest").hidden = true;
  if (said.class !== undefined) {
    at("answer").textContent = said.class === values[0][0] ? `${said.class}, ${percent(said.probability)}` : said.class;
    if (said.class !== values[0][0]) {
      at("likeliest").textContent = `No class is probable enough for an answer (${percent(model.threshold)}); the likeliest is ${values[0][0]} with ${percent(values[0][1])}.`;
      at("likeliest").hidden = false;
    }
  } else if (said.labels) {
    at("answer").textContent = said.labels.length ? said.labels.join(", ") : "No label";
  } else {
    at("answer").textContent = values.map(([name, value]) => `${name}: ${number(value)}`).join(", ");
  }
  at("familiarity").hidden = said.familiarity === undefined;
  if (said.familiarity !== undefined) {
    at("familiarity").textContent = `${percent(said.familiarity)} of held-out pictures are at least as unlike the training pictures.`;
  }
  at("table-caption").textContent = said.class !== undefined && values.length < model.classes.length ? `The ${values.length} likeliest of ${model.classes.length} classes` : "";
  at("column-name").textContent = said.class !== undefined ? "Class" : numbers ? "Number" : "Label";
  at("column-value").textContent = numbers ? "Value" : "Probability";
  at("hint").hidden = !model.explain;
  at("rows").replaceChildren(...values.map(([name, value], place) => row(name, value, place, numbers)));
  if (at("picture").src) URL.revokeObjectURL(at("picture").src);
  at("picture").src = URL.createObjectURL(file);
  at("picture").alt = "The picture as it was sent";
  at("picture").onerror = () => { at("picture").alt = "The browser cannot show this format"; };
  at("file-name").textContent = file.name || "Pasted picture";
  at("map").hidden = true;
}

function row(name, value, place, numbers) {
  const line = document.createElement("tr");
  if (place === 0 && !numbers) line.className = "first";
  const head = document.createElement("th");
  head.scope = "row";
  if (model.explain) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => explain(name, ++turn).catch(error => fail(error.message)));
    head.append(button);
  } else {
    head.textContent = name;
  }
  const cell = document.createElement("td");
  cell.textContent = numbers ? number(value) : percent(value);
  if (!numbers) {
    const space = "http" + "://www.w3.org/2000/svg";
    const bar = document.createElementNS(space, "svg");
    bar.setAttribute("aria-hidden", "true");
    const filled = document.createElementNS(space, "rect");
    filled.setAttribute("width", `${100 * value}%`);
    filled.setAttribute("height", "100%");
    bar.append(filled);
    cell.append(bar);
  }
  line.append(head, cell);
  return line;
}

async function explain(name, mine) {
  const query = name === null ? "" : "?class=" + encodeURIComponent(name);
  const said = await ask("explain" + query, { method: "POST", headers: { "content-type": "application/octet-stream" }, body: current });
  if (mine !== turn) return;
  at("overlay").src = said.overlay;
  at("overlay").alt = `A heat map over the picture as the network sees it: where it finds what speaks for ${said.output}`;
  at("map-caption").textContent = `What speaks for ${said.output}: red most, grey nothing (Grad-CAM)`;
  at("map").hidden = false;
  for (const button of document.querySelectorAll("#rows button")) {
    button.setAttribute("aria-pressed", String(button.textContent === said.output));
  }
  if (name !== null) at("status").textContent = `The map shows what speaks for ${said.output}.`;
}

at("file").addEventListener("change", () => { accept(at("file").files[0]); at("file").value = ""; });
for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, event => { event.preventDefault(); at("drop").classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) {
  addEventListener(kind, event => { event.preventDefault(); at("drop").classList.remove("over"); });
}
addEventListener("drop", event => accept(event.dataTransfer.files[0]));
addEventListener("paste", event => accept([...event.clipboardData.files][0]));
start();
