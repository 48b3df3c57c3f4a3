// Writes `artifacts/`, the ABI and bytecode that the Rust side embeds, from what `forge build` left in
// `out/`. With `--check` it writes nothing and fails if a committed file differs, naming it. Says how large each
// contract is, and fails if a chain would not take one.
import {readFileSync, writeFileSync, mkdirSync, existsSync, readdirSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** Contract name to its source file: what is deployed, the masters whose ABI entries answer to, what users deploy for
 * themselves, and an example. */
const CONTRACTS = {
  Hub: "Hub.sol",
  HubExtension: "HubExtension.sol",
  HubViews: "HubViews.sol",
  HubBoost: "HubBoost.sol",
  HubLane: "HubLane.sol",
  AppRegistry: "AppRegistry.sol",
  DatasetRegistry: "DatasetRegistry.sol",
  WorkerpoolRegistry: "WorkerpoolRegistry.sol",
  App: "App.sol",
  Dataset: "Dataset.sol",
  Workerpool: "Workerpool.sol",
  RLC: "RLC.sol",
  Group: "Group.sol",
  PriceFeed: "PriceFeed.sol",
};

/** What a chain takes as the code of a contract (EIP-170). */
const CODE_BYTES_MAX = 24_576;

function readBuild(source, name) {
  const path = join(here, "out", source, `${name}.json`);
  if (!existsSync(path)) throw new Error(`${path} is missing: run \`npx forge build\` first`);
  return JSON.parse(readFileSync(path, "utf8"));
}

function contractArtifact(name, source) {
  const build = readBuild(source, name);
  return {
    contractName: name,
    abi: build.abi,
    bytecode: build.bytecode.object,
    deployedBytecode: build.deployedBytecode.object,
  };
}

/** The hub at its one address: the interface, and the errors and events of each of its parts. */
function hubInterface() {
  const seen = new Map();
  for (const name of ["IHub", "Hub", "HubExtension", "HubViews", "HubBoost", "HubLane"]) {
    for (const item of readBuild(`${name}.sol`, name).abi) {
      if (item.type === "constructor") continue;
      const key = `${item.type} ${item.name ?? ""}(${(item.inputs ?? []).map(typeOf).join(",")})`;
      if (!seen.has(key)) seen.set(key, item);
    }
  }
  return {contractName: "HubInterface", abi: [...seen.values()]};
}

function typeOf(input) {
  if (!input.type.startsWith("tuple")) return input.type;
  return `(${input.components.map(typeOf).join(",")})${input.type.slice("tuple".length)}`;
}

function wantedFiles() {
  const files = new Map();
  for (const [name, source] of Object.entries(CONTRACTS)) {
    files.set(`${name}.json`, contractArtifact(name, source));
  }
  files.set("HubInterface.json", hubInterface());
  return files;
}

/** Prints the bytes of each contract's code, the largest first, and says whether all can be deployed. */
function checkSizes(wanted) {
  const sizes = Object.keys(CONTRACTS)
    .map((name) => [name, (wanted.get(`${name}.json`).deployedBytecode.length - 2) / 2])
    .sort(([, one], [, other]) => other - one);
  console.log(`bytes of code, of at most ${CODE_BYTES_MAX}: ${sizes.map((size) => size.join(" ")).join(", ")}`);
  const tooLarge = sizes.filter(([, bytes]) => bytes > CODE_BYTES_MAX);
  for (const [name, bytes] of tooLarge) {
    console.error(`${name} has ${bytes} bytes of code, ${bytes - CODE_BYTES_MAX} more than a chain takes`);
  }
  return tooLarge.length === 0;
}

function main() {
  const folder = join(here, "artifacts");
  const isCheck = process.argv.includes("--check");
  const stale = [];
  const wanted = wantedFiles();
  mkdirSync(folder, {recursive: true});
  for (const [file, content] of wanted) {
    const path = join(folder, file);
    const text = `${JSON.stringify(content, null, 1)}\n`;
    if (existsSync(path) && readFileSync(path, "utf8") === text) continue;
    stale.push(file);
    if (!isCheck) writeFileSync(path, text);
  }
  const extra = readdirSync(folder).filter((file) => !wanted.has(file));
  if (isCheck && stale.length + extra.length > 0) {
    console.error(`artifacts are stale (${[...stale, ...extra].join(", ")}): run \`npm run artifacts\``);
    process.exitCode = 1;
  } else if (!isCheck) {
    console.log(stale.length === 0 ? "artifacts are up to date" : `written: ${stale.join(", ")}`);
  }
  if (!checkSizes(wanted)) process.exitCode = 1;
}

main();
