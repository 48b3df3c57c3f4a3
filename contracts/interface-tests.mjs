// Checks `INTERFACE.md`: that every entry of the interface, the reference's and ours, has a row there; that every
// row is of an entry; that what only ours have is marked so; and that the tests of a row are there and use the
// entry. Also that a fuzz test uses each entry that changes something, and that every test that the other documents
// name exists. Exits 1 and names what is wrong.
//
// Whether a test shows what it should is for people to judge; this holds the list to the code.
import {readFileSync, readdirSync} from "node:fs";
import {basename, join} from "node:path";

import {CONTRACTS, here, ourEntries, referenceEntries, typeOf} from "./entries.mjs";

/** What stands for an entry without a name in a test. */
const NAMELESS = {receive: "call{value:", fallback: ".call("};
const OURS_ALONE = "ours alone";
const DOCUMENTS = ["README.md", "SECURITY.md"];
/** Which of a contract's fuzz tests count: those of hub and registries have names in common, as `approve`. */
const FUZZ_FILES = {
  HubInterface: /^(?!(fuzz\/)?Registr|Consumer|PriceFeed)/,
  AppRegistry: /^(fuzz\/)?Registries/,
  DatasetRegistry: /^(fuzz\/)?Registries/,
  WorkerpoolRegistry: /^(fuzz\/)?Registries/,
  App: /^(fuzz\/)?Registries/,
  Dataset: /^(fuzz\/)?Registries/,
  Workerpool: /^(fuzz\/)?Registries/,
};

const problems = [];

/** `kind name`, or `kind name(types)` where the contract has several of the name. */
function keysOf(entries) {
  const plain = (item) => `${item.type} ${item.name ?? item.type}`;
  const full = (item) => `${plain(item)}(${(item.inputs ?? []).map((input) => typeOf(input))})`;
  const byFull = new Map(entries.map((item) => [full(item), item]));
  const count = new Map();
  for (const item of byFull.values()) count.set(plain(item), (count.get(plain(item)) ?? 0) + 1);
  return new Set([...byFull].map(([key, item]) => (count.get(plain(item)) > 1 ? key : plain(item))));
}

/** The functions of a test file by name, without comments; those of one name are put together. */
function functionsOf(path) {
  const text = readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  const functions = new Map();
  for (const found of text.matchAll(/\bfunction (\w+)\s*\(/g)) {
    const body = bodyAt(text, found.index);
    functions.set(found[1], (functions.get(found[1]) ?? "") + body);
  }
  return functions;
}

/** What lies between the braces of a function that begins at a place; nothing for one without a body. */
function bodyAt(text, start) {
  const open = text.slice(start).search(/[{;]/) + start;
  let depth = 0;
  for (let at = open; at < text.length; ++at) {
    if (text[at] === "{") ++depth;
    if (text[at] === "}") --depth;
    if (depth === 0) return text.slice(open, at + 1);
  }
  return "";
}

/** A test's body, those of the functions of its file that it calls, and the steps in `test/support` that these take:
 * what a step calls in turn is too far from the test to be what it is about. */
function reachOf({functions, steps}, name, seen = new Set()) {
  if (seen.has(name)) return "";
  seen.add(name);
  const body = functions.get(name);
  if (body === undefined) return steps.get(name) ?? "";
  const called = [...body.matchAll(/(?<![.\w])(\w+)\s*\(/g)];
  return body + called.map(([, callee]) => reachOf({functions, steps}, callee, seen)).join("");
}

function readTests() {
  const files = readdirSync(join(here, "test"), {recursive: true}).filter((file) => file.endsWith(".sol"));
  const read = (file) => functionsOf(join(here, "test", file));
  const steps = new Map(files.filter((file) => file.startsWith("support")).flatMap((file) => [...read(file)]));
  const tests = files.filter((file) => file.endsWith(".t.sol"));
  const nameOf = (file) => (file.startsWith("fuzz") ? `fuzz/${basename(file)}` : basename(file));
  return new Map(tests.map((file) => [nameOf(file), {functions: read(file), steps}]));
}

/** The rows of the document: contracts of the section, entry, tests, difference. */
function* readRows() {
  let contracts = [];
  for (const line of readFileSync(join(here, "INTERFACE.md"), "utf8").split("\n")) {
    if (line.startsWith("## ")) {
      const names = line.slice(3).split(/, | and /);
      contracts = names.every((name) => name in CONTRACTS) ? names : [];
    }
    const cells = line.split(" | ").map((cell) => cell.replace(/^\| ?| ?\|$/g, "").trim());
    if (contracts.length === 0 || cells.length !== 4 || !/^`.*`$/.test(cells[1])) continue;
    yield {contracts, key: `${cells[0]} ${cells[1].slice(1, -1)}`, tests: cells[2], difference: cells[3]};
  }
}

/** Whether a text uses the entry of a key. */
function useOf(key) {
  const [kind, name] = key.split(/[ (]/);
  const mark = kind === name ? NAMELESS[name] : undefined;
  return (text) => (mark ? text.includes(mark) : new RegExp(`\\b${name}\\b`).test(text));
}

function checkTests(tests, {key, tests: cell}) {
  const named = [...cell.matchAll(/`([\w.]+\.t\.sol)` `(\w+)`/g)];
  if (named.length === 0) problems.push(`${key}: no test`);
  const isUsed = useOf(key);
  for (const [, file, test] of named) {
    const found = tests.get(file);
    if (!found?.functions.has(test)) problems.push(`${key}: there is no ${test} in ${file}`);
    else if (!isUsed(reachOf(found, test))) problems.push(`${key}: ${test} does not use it`);
  }
}

function checkRows(tests) {
  const listed = new Map(Object.keys(CONTRACTS).map((contract) => [contract, new Set()]));
  for (const row of readRows()) {
    checkTests(tests, row);
    for (const contract of row.contracts) {
      if (listed.get(contract).has(row.key)) problems.push(`${contract}: ${row.key} is listed twice`);
      listed.get(contract).add(row.key);
    }
    row.contracts.forEach((contract) => checkEntry(contract, row));
  }
  for (const [contract, keys] of listed) {
    for (const key of keysOf([...referenceEntries(contract), ...ourEntries(contract)])) {
      if (!keys.has(key)) problems.push(`${contract}: ${key} is not listed`);
    }
  }
}

/** That a row is of an entry of the contract, and says whose. */
function checkEntry(contract, {key, difference}) {
  const reference = keysOf(referenceEntries(contract));
  if (!keysOf(ourEntries(contract)).has(key)) problems.push(`${contract}: ${key} is listed and does not exist`);
  else if (reference.has(key) === difference.startsWith(OURS_ALONE)) {
    problems.push(`${contract}: ${key} is ${reference.has(key) ? "not " : ""}${OURS_ALONE}`);
  }
}

/** A fuzz test for each function that changes something, and for calls that no function takes. */
function checkFuzz(tests) {
  for (const contract of Object.keys(CONTRACTS)) {
    const reaches = [...tests]
      .filter(([file]) => FUZZ_FILES[contract].test(file))
      .flatMap(([, found]) => [...found.functions.keys()].filter((name) => name.startsWith("testFuzz_"))
        .map((name) => reachOf(found, name)));
    const entries = ourEntries(contract).filter(({type, stateMutability}) =>
      type === "receive" || (type === "function" && !["view", "pure"].includes(stateMutability)));
    for (const key of keysOf(entries)) {
      if (!reaches.some(useOf(key))) problems.push(`${contract}: no fuzz test uses ${key}`);
    }
  }
}

function checkDocuments(tests) {
  const all = new Set([...tests.values()].flatMap(({functions}) => [...functions.keys()]));
  for (const document of DOCUMENTS) {
    const text = readFileSync(join(here, document), "utf8");
    for (const [, name] of text.matchAll(/`(test(?:Fuzz)?_\w+)`/g)) {
      if (name !== "test_" && !all.has(name)) problems.push(`${document} names ${name}, which does not exist`);
    }
  }
}

const tests = readTests();
checkRows(tests);
checkFuzz(tests);
checkDocuments(tests);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
