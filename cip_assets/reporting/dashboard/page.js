"use strict";
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const cube = read("cube"), specs = read("specs"), proofs = read("proofs");
const form = document.querySelector(".filters"), lookUp = document.getElementById("look-up");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const views = {};

// For each cell, whether it is shown: it has the value of every filter that is set.
function shownCells() {
  const wanted = cube.by.map((name) => form.elements[name].value);
  return cube.cells.map((cell) => wanted.every((value, i) => !value || cell[i] === value));
}

// The rows of a fact: for each combination of its keys the sums of the cells that are shown, and their quotients.
function rowsOf(fact, shown) {
  const rows = new Map(), keys = Object.entries(fact.keys), sums = Object.entries(fact.sums);
  fact.cell.forEach((cell, i) => {
    const id = keys.map(([, key]) => key.codes[i]).join();
    if (!rows.has(id)) {
      rows.set(id, Object.fromEntries([...keys.map(([name, key]) => [name, key.values[key.codes[i]]]),
                                       ...sums.map(([name]) => [name, 0])]));
    }
    // An unknown amount makes the sum unknown.
    if (shown[cell]) for (const [name, values] of sums) rows.get(id)[name] += values[i] ?? NaN;
  });
  const found = [...rows.values()];
  for (const [name, [over, under, times]] of Object.entries(fact.ratios)) {
    for (const row of found) row[name] = row[under] ? times * row[over] / row[under] : null;
  }
  if (fact.share) {
    const all = found.reduce((sum, row) => sum + row[fact.share], 0);
    for (const row of found) row[fact.share + "_share"] = all ? row[fact.share] / all : null;
  }
  return found;
}

// The rows of a chart, which says so if there is nothing to draw.
function rowsFor(name, shown) {
  const rows = rowsOf(cube.facts[specs[name].data.name], shown), chart = document.getElementById("chart-" + name);
  chart.parentElement.querySelector(".empty").hidden = rows.some((row) => row[chart.dataset.needs]);
  return rows;
}

async function draw() {
  const shown = shownCells(), line = getComputedStyle(document.documentElement).getPropertyValue("--line").trim();
  const style = { background: "transparent", axis: { gridColor: line } };
  const options = { actions: false, renderer: "svg", theme: dark.matches ? "dark" : undefined, config: style };
  const shownProofs = Object.entries(proofs).filter(([, spec]) => spec.data.values.length);
  await Promise.all(shownProofs.map(([name, spec]) => window.vegaEmbed("#proof-" + name, spec, options)));
  const drawn = Object.entries(specs).map(async ([name, spec]) => {
    const rows = rowsFor(name, shown), data = { [spec.data.name]: rows };
    if (!rows.length) return;  // no filter gives it any
    views[name] = (await window.vegaEmbed("#chart-" + name, { ...spec, datasets: { ...spec.datasets, ...data } }, options)).view;
  });
  await Promise.all(drawn);
}

function listCustomers(shown) {
  const wanted = lookUp.value.trim().toLowerCase();
  for (const row of document.querySelectorAll("#table-customers tbody tr")) {
    const id = row.cells[1].textContent.toLowerCase();
    row.hidden = !shown[row.dataset.cell] || !id.includes(wanted);
  }
}

// What is beside the charts: how many customers they show, and which of the top customers.
function tell() {
  const shown = shownCells();
  const counted = (cells) => (rowsOf(cube.facts.customers, cells)[0]?.customers ?? 0).toLocaleString("en");
  form.querySelector("output").textContent = `${counted(shown)} of ${counted(shown.map(() => true))} customers`;
  listCustomers(shown);
  document.body.dataset.filtered = JSON.stringify(cube.by.map((name) => form.elements[name].value));
}

async function filter() {
  const shown = shownCells();
  await Promise.all(Object.entries(views).map(([name, view]) =>
    view.data(specs[name].data.name, rowsFor(name, shown)).runAsync()));
  tell();
}

form.addEventListener("change", filter);
form.addEventListener("reset", () => setTimeout(filter));  // the fields are empty only after the event
form.addEventListener("submit", (event) => event.preventDefault());
lookUp.addEventListener("input", () => listCustomers(shownCells()));
dark.addEventListener("change", draw);
draw().then(tell);
