// Writes `reference/wiring.json`: how to put the reference (npm @iexec/poco) together from its published
// bytecode, for tests that run against it. `--check` fails if the committed file is stale.
//
// The package has the bytecode of every facet; that of the diamond's own facets and of the token is in its
// deployment records. Nothing of it is copied here: the file names paths, selectors and links.
import {readFileSync, writeFileSync} from "node:fs";
import {createRequire} from "node:module";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const {keccak256} = createRequire(import.meta.url)("js-sha3");
const PACKAGE = "node_modules/@iexec/poco";

/** In the order in which they are cut into the diamond. The last one's fallbacks serve unknown calls. */
const FACETS = [
  "DiamondCutFacet", "DiamondLoupeFacet", "OwnershipFacet", "IexecAccessorsABILegacyFacet",
  "IexecCategoryManagerFacet", "IexecConfigurationExtraFacet", "IexecConfigurationFacet", "IexecERC20Facet",
  "IexecOrderManagementFacet", "IexecPoco1Facet", "IexecPoco2Facet", "IexecPocoAccessorsFacet",
  "IexecPocoBoostFacet", "IexecPocoBoostAccessorsFacet", "IexecRelayFacet", "IexecEscrowTokenFacet",
];
const FROM_DEPLOYMENTS = new Set(["DiamondCutFacet", "DiamondLoupeFacet", "OwnershipFacet", "DiamondInit", "RLC"]);
const LIBRARY = {name: "IexecLibOrders_v5", source: "contracts/libs/IexecLibOrders_v5.sol"};

function pathOf(name) {
  if (FROM_DEPLOYMENTS.has(name)) return `${PACKAGE}/deployments/arbitrum/${name}.json`;
  if (name === "Diamond") return `${PACKAGE}/artifacts/contracts/Diamond.sol/Diamond.json`;
  if (name === LIBRARY.name) return `${PACKAGE}/artifacts/${LIBRARY.source}/${name}.json`;
  return `${PACKAGE}/artifacts/contracts/facets/${name}.sol/${name}.json`;
}

function typeOf(input) {
  if (!input.type.startsWith("tuple")) return input.type;
  return `(${input.components.map(typeOf).join(",")})${input.type.slice("tuple".length)}`;
}

function selectorsOf(abi) {
  return abi
    .filter((item) => item.type === "function")
    .map((item) => `0x${keccak256(`${item.name}(${item.inputs.map(typeOf).join(",")})`).slice(0, 8)}`);
}

function wiring() {
  const seen = new Set();
  const facets = FACETS.map((name) => {
    const {abi} = JSON.parse(readFileSync(join(here, pathOf(name)), "utf8"));
    // Several facets publish the same helper; the first one that has it serves it.
    const selectors = selectorsOf(abi).filter((selector) => !seen.has(selector) && seen.add(selector));
    if (name === "IexecEscrowTokenFacet") selectors.push("0x00000000", "0xffffffff");
    return {name, artifact: pathOf(name), selectors};
  });
  return {
    library: {
      artifact: pathOf(LIBRARY.name),
      placeholder: `__$${keccak256(`${LIBRARY.source}:${LIBRARY.name}`).slice(0, 34)}$__`,
    },
    token: pathOf("RLC"),
    init: pathOf("DiamondInit"),
    diamond: pathOf("Diamond"),
    facets,
  };
}

const file = join(here, "reference", "wiring.json");
const text = `${JSON.stringify(wiring(), null, 1)}\n`;
if (!process.argv.includes("--check")) {
  writeFileSync(file, text);
} else if (readFileSync(file, "utf8") !== text) {
  console.error("reference/wiring.json is stale: run `npm run reference`");
  process.exitCode = 1;
}
