// Compares the interface of our contracts with that of the reference (npm @iexec/poco): every function, with
// its mutability and outputs, every event with its indexed fields, and every entry must be there. What ours
// have besides, errors above all, is no fault. Exits 1 and names what differs.
import {CONTRACTS, ourEntries, referenceEntries, typeOf} from "./entries.mjs";

/** Fields of structs count with their names, which clients encode by. */
const named = (field) => `${typeOf(field, named)} ${field.name}`;

function describe(item) {
  const type = (input) => typeOf(input, named);
  const inputs = (item.inputs ?? []).map((input) => `${type(input)}${input.indexed ? " indexed" : ""}`);
  const outputs = (item.outputs ?? []).map(type);
  if (item.type === "function") return `function ${item.name}(${inputs}) ${loosen(item.stateMutability)} (${outputs})`;
  return `${item.type} ${item.name ?? ""}(${inputs})`;
}

/** Pure is a promise stronger than view; clients treat both as reads. */
function loosen(mutability) {
  return mutability === "pure" ? "view" : mutability;
}

const problems = [];
for (const contract of Object.keys(CONTRACTS)) {
  const have = new Set(ourEntries(contract).map(describe));
  for (const item of referenceEntries(contract)) {
    if (!have.has(describe(item))) problems.push(`${contract} lacks ${describe(item)}`);
  }
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
