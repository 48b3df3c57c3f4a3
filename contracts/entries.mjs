// What the interface of the contracts consists of, ours and the reference's (npm @iexec/poco): for the checks
// in `interface.mjs` and `interface-tests.mjs`.
import {readFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

export const here = dirname(fileURLToPath(import.meta.url));
const REFERENCE = join(here, "node_modules/@iexec/poco/artifacts/contracts");

/** Names of our artifacts, each with those of the reference whose interface it has. */
export const CONTRACTS = {
  HubInterface: [
    "IexecInterfaceToken.sol/IexecInterfaceToken",
    "interfaces/IexecPocoBoost.sol/IexecPocoBoost",
    "interfaces/IexecPocoBoostAccessors.sol/IexecPocoBoostAccessors",
  ],
  AppRegistry: ["registries/apps/AppRegistry.sol/AppRegistry"],
  DatasetRegistry: ["registries/datasets/DatasetRegistry.sol/DatasetRegistry"],
  WorkerpoolRegistry: ["registries/workerpools/WorkerpoolRegistry.sol/WorkerpoolRegistry"],
  App: ["registries/apps/App.sol/App"],
  Dataset: ["registries/datasets/Dataset.sol/Dataset"],
  Workerpool: ["registries/workerpools/Workerpool.sol/Workerpool"],
};

/** Everything but constructors of our contract of that name. */
export function ourEntries(contract) {
  return entriesOf(join(here, "artifacts", `${contract}.json`));
}

/** The same of the reference. */
export function referenceEntries(contract) {
  return CONTRACTS[contract].flatMap((artifact) => entriesOf(join(REFERENCE, `${artifact}.json`)));
}

/** The type of a value, in the words of the ABI but with `field` for the parts of structs. */
export function typeOf(input, field = typeOf) {
  if (!input.type.startsWith("tuple")) return input.type;
  return `(${input.components.map((part) => field(part)).join(",")})${input.type.slice("tuple".length)}`;
}

function entriesOf(path) {
  return JSON.parse(readFileSync(path, "utf8")).abi.filter(({type}) => type !== "constructor");
}
