// Writes the gas tables of README.md from `snapshots/`, which the tests write. With `--check` it writes nothing and
// fails if they differ. Fails too if anything costs more than `gas-ceilings.json` allows: its keys are those of
// `snapshots/Gas.json`, each with what it is and the most that it may cost.
import {readFileSync, writeFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const read = (name) => JSON.parse(readFileSync(join(here, "snapshots", name), "utf8"));
const ours = read("Gas.json");
const reference = read("GasOfReference.json");
const ceilings = JSON.parse(readFileSync(join(here, "gas-ceilings.json"), "utf8"));

/** What the reference's registries cost on anvil: they are not part of the comparison side by side. */
const APART = {
  "createApp minimal": 506400,
  "createApp long": 784800,
  "createDataset": 598000,
  "createWorkerpool": 549400,
};

/** Row to its key in the snapshots. */
const CALLS = [
  ["matchOrders, four fresh orders, dataset, 124 bytes of params", "1 worker: 1 matchOrders"],
  ["matchOrders minimal", "matchOrders minimal"],
  ["matchOrders, large orders used before", "matchOrders orders used before"],
  ["initialize", "1 worker: 2 initialize"],
  ["contribute alone", "1 worker: 3 contribute 1"],
  ["contribute, first of three", "3 workers: 3 contribute 1"],
  ["contribute, following", "3 workers: 3 contribute 2"],
  ["contribute that reaches consensus of 3", "3 workers: 3 contribute 3"],
  ["reveal, first", "3 workers: 4 reveal 1"],
  ["reveal, following", "3 workers: 4 reveal 2"],
  ["finalize, 1 worker", "1 worker: 5 finalize"],
  ["finalize, 3 workers", "3 workers: 5 finalize"],
  ["contributeAndFinalize", "contributeAndFinalize: 3 contributeAndFinalize"],
  ["matchOrdersBoost", "boost: 1 matchOrdersBoost"],
  ["pushResultBoost", "boost: 2 pushResultBoost"],
  ["deposit, later", "deposit later"],
  ["approveAndCall, later", "approveAndCall later"],
  ["**whole task**, 1 worker, trust 1", "1 worker: whole task"],
  ["**whole task**, 3 workers, trust 8", "3 workers: whole task"],
  ["**whole task**, 5 workers, trust 32", "5 workers: whole task"],
  ["**whole task**, contributeAndFinalize", "contributeAndFinalize: whole task"],
  ["**whole task**, boost lane", "boost: whole task"],
  ["**ten tasks of one deal**, 1 worker each", "10 tasks, 1 worker: whole"],
  ["**ten tasks of one deal**, 3 workers each", "10 tasks, 3 workers: whole"],
  ["createApp minimal \\*", "createApp minimal"],
  ["createApp with 213 bytes \\*", "createApp long"],
  ["createDataset \\*", "createDataset"],
  ["createWorkerpool \\*", "createWorkerpool"],
];

/** Row to its key, and what the reference's classic lane costs for as many tasks and workers. */
const LANE = [
  ["one task, 3 workers, trust 8, all included", "lane, 1 task: whole, per task", "3 workers: whole task", 1],
  ["per task of 10 in one deal and one batch", "lane, 10 tasks: whole, per task", "10 tasks, 3 workers: whole", 10],
  ["per task of 100 in one deal and two batches **", "lane, 100 tasks: whole, per task", "10 tasks, 3 workers: whole", 10],
];

const spaced = (gas) => String(gas).replace(/\B(?=(\d{3})+$)/g, " ");

function measured(key) {
  if (!(key in ours)) throw new Error(`no snapshot "${key}"`);
  return Number(ours[key]);
}

function row(label, key, theirs) {
  return `| ${label} | ${spaced(measured(key))} | ${spaced(theirs)} | ${(measured(key) / theirs).toFixed(2)} |`;
}

function table(title, rows) {
  return [`| ${title} | ours | reference | ratio |`, "|---|---|---|---|", ...rows].join("\n");
}

const tables = {
  calls: table("call", CALLS.map(([label, key]) => row(label, key, APART[key] ?? reference[key]))),
  lane: table(
    "settlement lane, and the reference's classic one",
    LANE.map(([label, key, theirs, tasks]) => row(label, key, Math.round(reference[theirs] / tasks))),
  ),
  ceilings: [
    "| what | gas | at most |",
    "|---|---|---|",
    ...Object.entries(ceilings).map(([key, {what, most}]) => `| ${what} | ${spaced(measured(key))} | ${spaced(most)} |`),
  ].join("\n"),
};

const path = join(here, "README.md");
const before = readFileSync(path, "utf8");
let after = before;
for (const [name, text] of Object.entries(tables)) {
  const [start, end] = [`<!-- gas: ${name} -->\n`, `\n<!-- end -->`];
  const from = after.indexOf(start);
  const to = after.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`README.md has no place for the table "${name}"`);
  after = after.slice(0, from + start.length) + text + after.slice(to);
}
if (after !== before && process.argv.includes("--check")) {
  console.error("the gas tables of README.md are stale: run `npm run gas-table`");
  process.exitCode = 1;
} else if (after !== before) {
  writeFileSync(path, after);
}
for (const [key, {what, most}] of Object.entries(ceilings)) {
  if (measured(key) <= most) continue;
  console.error(`${what} costs ${measured(key)} gas; gas-ceilings.json allows ${most}`);
  process.exitCode = 1;
}
