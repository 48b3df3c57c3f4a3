// Runs slither over the contracts and compares what it finds with the answers in `slither.md`: fails on a finding
// that nobody has answered, and on an answer to nothing. A finding is known by its detector and where it is,
// `Contract.function`, so that answers outlive a change of line numbers.
import {spawnSync} from "node:child_process";
import {cpSync, mkdirSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {join} from "node:path";

import {FORGE} from "../forge.mjs";
import {CONTRACTS, WORK, linkModules} from "./project.mjs";

const here = join(CONTRACTS, "audit");

/** A project of the sources alone, whose compiler does not optimize: slither reads syntax trees. */
function makeProject() {
  const project = join(WORK, "slither");
  mkdirSync(project, {recursive: true});
  for (const folder of ["src", "out", "cache"]) rmSync(join(project, folder), {recursive: true, force: true});
  cpSync(join(CONTRACTS, "src"), join(project, "src"), {recursive: true});
  cpSync(join(here, "quick-solc"), join(project, "quick-solc"));
  linkModules(project);
  const settings = `[profile.default]
src = "src"
libs = []
auto_detect_remappings = false
remappings = ["solady/=node_modules/solady/src/"]
solc = "./quick-solc"
offline = true
evm_version = "cancun"
optimizer = true
via_ir = true
`;
  writeFileSync(join(project, "foundry.toml"), settings);
  run(FORGE, ["build", "--build-info"], project);
  return project;
}

function run(program, args, folder) {
  const ended = spawnSync(program, args, {cwd: folder, encoding: "utf8", maxBuffer: 1 << 28});
  if (ended.error) throw ended.error;
  if (ended.status !== 0) throw new Error(`${program} failed:\n${ended.stdout}\n${ended.stderr}`.slice(0, 4000));
}

/** All findings in our own sources, as `detector` and `place`. */
function findings(project) {
  const report = join(project, "findings.json");
  rmSync(report, {force: true});
  run("slither", [".", "--ignore-compile", "--filter-paths", "node_modules", "--json", report, "--fail-none"], project);
  const {success, error, results} = JSON.parse(readFileSync(report, "utf8"));
  if (!success) throw new Error(`slither failed: ${error}`);
  const found = new Map();
  for (const {check, impact, elements, description} of results.detectors ?? []) {
    const key = `${check} | ${placeOf(elements)}`;
    if (!found.has(key)) found.set(key, {impact, description: description.trim()});
  }
  return found;
}

/** `Contract.name` of the first element: a function, a variable, or what it stands in. */
function placeOf(elements) {
  const names = [];
  for (let element = elements[0]; element; element = element.type_specific_fields?.parent) {
    if (element.type === "contract" || element.type === "function" || element.type === "variable") {
      names.unshift(element.name);
    } else if (element.type !== "node") {
      names.unshift(`${element.type} ${element.name}`);
    }
  }
  return names.filter((name, index) => name !== names[index - 1] && !name.startsWith("file ")).join(".");
}

/** The rows of the tables in slither.md: | detector | place, or the beginning of places and a star | answer |. */
function answers() {
  const rows = readFileSync(join(here, "slither.md"), "utf8").matchAll(/^\| `([^`]+)` \| `([^`]+)` \| (.+) \|$/gm);
  return [...rows].map(([, check, place, answer]) => ({check, place, answer, isUsed: false}));
}

/** Whether an answer for `wanted`, which may end in a star, is one for `place`. */
function isAt(place, wanted) {
  return wanted.endsWith("*") ? place.startsWith(wanted.slice(0, -1)) : place === wanted;
}

function main() {
  const given = answers();
  const found = findings(makeProject());
  const unanswered = [];
  for (const [key, {impact, description}] of found) {
    const [check, place] = key.split(" | ");
    const fitting = given.filter((one) => one.check === check && isAt(place, one.place));
    for (const one of fitting) one.isUsed = true;
    if (fitting.length === 0) unanswered.push(`${impact}: | \`${check}\` | \`${place}\` |\n    ${description}`);
  }
  const stale = given.filter(({isUsed}) => !isUsed).map(({check, place}) => `\`${check}\` at \`${place}\``);
  for (const one of unanswered) console.error(`not answered, ${one}`);
  for (const one of stale) console.error(`an answer to nothing: ${one}`);
  console.log(`slither: ${found.size} findings, ${unanswered.length} not answered, ${stale.length} answers to nothing`);
  if (unanswered.length + stale.length > 0) process.exitCode = 1;
}

main();
