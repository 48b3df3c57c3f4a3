// Compares the interface of our contracts with that of the reference (npm @iexec/poco): every function, with
// its mutability and outputs, every event with its indexed fields, and every entry must be there. What ours
// have besides, errors above all, is no fault. Exits 1 and names what differs.
import {readFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const REFERENCE = join(here, "node_modules/@iexec/poco/artifacts/contracts");
const PAIRS = [
  ["HubInterface", "IexecInterfaceToken.sol/IexecInterfaceToken.json"],
  ["HubInterface", "interfaces/IexecPocoBoost.sol/IexecPocoBoost.json"],
  ["HubInterface", "interfaces/IexecPocoBoostAccessors.sol/IexecPocoBoostAccessors.json"],
  ["AppRegistry", "registries/apps/AppRegistry.sol/AppRegistry.json"],
  ["DatasetRegistry", "registries/datasets/DatasetRegistry.sol/DatasetRegistry.json"],
  ["WorkerpoolRegistry", "registries/workerpools/WorkerpoolRegistry.sol/WorkerpoolRegistry.json"],
  ["App", "registries/apps/App.sol/App.json"],
  ["Dataset", "registries/datasets/Dataset.sol/Dataset.json"],
  ["Workerpool", "registries/workerpools/Workerpool.sol/Workerpool.json"],
];
function typeOf(input) {
  if (!input.type.startsWith("tuple")) return input.type;
  const fields = input.components.map((field) => `${typeOf(field)} ${field.name}`);
  return `(${fields.join(",")})${input.type.slice("tuple".length)}`;
}

function describe(item) {
  const inputs = (item.inputs ?? []).map((input) => `${typeOf(input)}${input.indexed ? " indexed" : ""}`);
  const outputs = (item.outputs ?? []).map(typeOf);
  if (item.type === "function") return `function ${item.name}(${inputs}) ${loosen(item.stateMutability)} (${outputs})`;
  return `${item.type} ${item.name ?? ""}(${inputs})`;
}

/** Pure is a promise stronger than view; clients treat both as reads. */
function loosen(mutability) {
  return mutability === "pure" ? "view" : mutability;
}

const problems = [];
for (const [ours, theirs] of PAIRS) {
  const have = new Set(JSON.parse(readFileSync(join(here, "artifacts", `${ours}.json`), "utf8")).abi.map(describe));
  for (const item of JSON.parse(readFileSync(join(REFERENCE, theirs), "utf8")).abi) {
    if (item.type === "constructor") continue;
    if (!have.has(describe(item))) problems.push(`${ours} lacks ${describe(item)}`);
  }
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
