// Plants the faults of `faults.mjs` in the contracts, one at a time in a copy of the tree, and expects the tests to
// fail each time. `node audit/mutants.mjs` plays all of them, with numbers as arguments those alone; with --write what
// it finds goes into the table in README.md; with --check it plays nothing and says which faults have lost their place
// or are not in the table. Fails if a fault survives or is no fault any more.
//
// The copy is compiled without the optimizer (quick-solc), and stays, so that the next run compiles less. Left out are
// gas snapshots, which any change of code would break, the payout vectors, whose bench would be compiled anew for
// each fault, and the consumers of results, whose callbacks would not have gas enough for views that are not optimized;
// so is a test of what votes may cost.
import {spawnSync} from "node:child_process";
import {cpSync, mkdirSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {join} from "node:path";

import {FORGE} from "../forge.mjs";
import {FAULTS} from "./faults.mjs";
import {CONTRACTS, WORK, linkModules} from "./project.mjs";

/** A suite that hangs has noticed something too, but nobody waits longer for it. */
const SUITE_SECONDS_MAX = 1800;

/** What is not copied, see above. */
const LEFT_OUT = [
  "Gas.t.sol",
  "LaneGas.t.sol",
  "PayoutVectors.t.sol",
  "support/SettlementBench.sol",
  "Consumer.t.sol",
  "PriceFeed.t.sol",
];

/** Which test of the others is left out: it holds the gas of optimized code to a limit. */
const TEST_LEFT_OUT = "test_the_last_of_many_stays_below_the_gas_of_official_workers";

function copyTree() {
  const root = join(WORK, "mutants");
  const copy = join(root, "contracts");
  mkdirSync(copy, {recursive: true});
  for (const part of ["src", "test", "reference"]) {
    rmSync(join(copy, part), {recursive: true, force: true});
    cpSync(join(CONTRACTS, part), join(copy, part), {recursive: true});
  }
  for (const file of LEFT_OUT) rmSync(join(copy, "test", file));
  cpSync(join(CONTRACTS, "..", "poco-core", "vectors"), join(root, "poco-core", "vectors"), {recursive: true});
  cpSync(join(CONTRACTS, "audit", "quick-solc"), join(copy, "quick-solc"));
  linkModules(copy);
  const settings = readFileSync(join(CONTRACTS, "foundry.toml"), "utf8")
    .replace('"./solc-wrapper"', '"./quick-solc"')
    .split("\n")
    .filter((line) => !LEFT_OUT.some((file) => line.includes(file)))
    .join("\n")
    // A failure is enough; its shortest form is not looked for.
    .replace(/shrink_run_limit = \d+/, "shrink_run_limit = 0")
    // Slow code, and a suite for each fault: fewer random runs. The long market of the invariants is whole.
    .replace(/^runs = \d+/gm, "runs = 16")
    .replace(/^(\[profile.default.invariant\]\n)runs = \d+/m, "$1runs = 3");
  writeFileSync(join(copy, "foundry.toml"), settings);
  return copy;
}

/** Runs tests in the copy: what `forge` says, and whether all passed. */
function forge(copy, selection) {
  for (const kept of ["invariant", "fuzz"]) rmSync(join(copy, "cache", kept), {recursive: true, force: true});
  const args = ["test", "--fail-fast", "--no-match-test", TEST_LEFT_OUT, ...selection];
  const run = spawnSync(FORGE, args, {
    cwd: copy,
    encoding: "utf8",
    timeout: SUITE_SECONDS_MAX * 1000,
    maxBuffer: 1 << 28,
  });
  const text = `${run.stdout}${run.stderr}`;
  if (/Compil\w+ (run )?failed/.test(text)) throw new Error(`does not compile:\n${text.slice(0, 2000)}`);
  return {passed: run.status === 0, text};
}

/** The first test that failed, as `Contract.test`. */
function catcherIn(text) {
  let contract = "";
  for (const line of text.split("\n")) {
    const suite = line.match(/^Ran \d+ tests? for .*:(\w+)/);
    if (suite) contract = suite[1];
    const failed = line.match(/^\s*\[FAIL[^\]]*.*\]\s+(\w+)\(/);
    if (failed) return `${contract}.${failed[1]}`;
  }
  // The name of an invariant stands below its sequence of calls.
  const invariant = text.match(/^\s*(invariant_\w+)\(\)/m);
  return invariant ? `${contract}.${invariant[1]}` : "the suite did not end";
}

/** How often the text that a fault replaces stands in its file: once, or it cannot be planted. */
function placesOf(fault, text) {
  return text.split(fault.from).length - 1;
}

/** What is wrong with the list of faults and its table, one line each. */
function problems() {
  const table = readFileSync(join(CONTRACTS, "README.md"), "utf8");
  const told = [];
  for (const fault of FAULTS) {
    const places = placesOf(fault, readFileSync(join(CONTRACTS, "src", fault.file), "utf8"));
    if (places !== 1) told.push(`"${fault.name}" has ${places} places in ${fault.file}`);
    if (!table.includes(`| ${fault.name} | ${fault.file} |`)) told.push(`"${fault.name}" is not in README.md's table`);
  }
  return told;
}

/** Plants one fault, and says which test caught it; null if none did. */
function play(copy, fault) {
  const file = join(copy, "src", fault.file);
  const sound = readFileSync(file, "utf8");
  const places = placesOf(fault, sound);
  if (places !== 1) throw new Error(`"${fault.from}" stands ${places} times in ${fault.file}`);
  writeFileSync(file, sound.replace(fault.from, () => fault.to));
  try {
    // First the tests that are likeliest to notice, then all.
    for (const selection of [["--match-path", `test/{${fault.tests}}.t.sol`], []]) {
      const {passed, text} = forge(copy, selection);
      if (!passed) return catcherIn(text);
    }
    return null;
  } finally {
    writeFileSync(file, sound);
  }
}

/** The table in README.md between its marks, with what was found out now; the rest as it stood. */
function writeTable(results) {
  const path = join(CONTRACTS, "README.md");
  const text = readFileSync(path, "utf8");
  const [before, after] = [text.indexOf("<!-- faults -->"), text.indexOf("<!-- end of faults -->")];
  if (before < 0 || after < before) throw new Error("README.md has no marks for the table");
  const known = new Map();
  for (const [, name, catcher] of text.slice(before, after).matchAll(/^\| (.+) \| .+ \| (.+) \|$/gm)) known.set(name, catcher);
  for (const {fault, catcher} of results) known.set(fault.name, catcher === null ? "**nothing**" : `\`${catcher}\``);
  const rows = FAULTS.map(({name, file}) => `| ${name} | ${file} | ${known.get(name) ?? "not played yet"} |`);
  const table = ["| fault | in | caught by |", "|---|---|---|", ...rows].join("\n");
  writeFileSync(path, `${text.slice(0, before)}<!-- faults -->\n${table}\n${text.slice(after)}`);
}

function main() {
  const given = process.argv.slice(2);
  if (given.includes("--check")) {
    const told = problems();
    if (told.length > 0) console.error(told.join("\n"));
    process.exitCode = told.length > 0 ? 1 : 0;
    return;
  }
  const isWritten = given.includes("--write");
  const numbers = given.filter((argument) => argument !== "--write").map(Number);
  if (numbers.some((number) => FAULTS[number] === undefined)) {
    console.error(`usage: mutants.mjs --check | [--write] [number of a fault, 0 to ${FAULTS.length - 1}]...`);
    process.exitCode = 2;
    return;
  }
  const chosen = numbers.length === 0 ? FAULTS : numbers.map((number) => FAULTS[number]);
  const copy = copyTree();
  const sound = forge(copy, []);
  if (!sound.passed) throw new Error(`the suite fails without a fault: ${catcherIn(sound.text)}`);
  const results = [];
  for (const fault of chosen) {
    const began = Date.now();
    const catcher = play(copy, fault);
    results.push({fault, catcher});
    const seconds = Math.round((Date.now() - began) / 1000);
    console.log(`${FAULTS.indexOf(fault)} ${fault.name}: ${catcher ?? "SURVIVED"} (${seconds} s)`);
    if (isWritten) writeTable(results);
  }
  const survived = results.filter(({catcher}) => catcher === null);
  console.log(`${results.length - survived.length} of ${results.length} faults caught`);
  if (survived.length > 0) process.exitCode = 1;
}

main();
