// Where mutants and proofs keep their copies of the contracts, outside the checkout; POCO_AUDIT names another place.
import {rmSync, symlinkSync} from "node:fs";
import {homedir} from "node:os";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

export const CONTRACTS = join(dirname(fileURLToPath(import.meta.url)), "..");
export const WORK = process.env.POCO_AUDIT ?? join(homedir(), ".cache", "poco", "audit");

/** Gives a copy the packages of this checkout; an earlier one may have lain elsewhere, or be gone. */
export function linkModules(project) {
  const link = join(project, "node_modules");
  rmSync(link, {recursive: true, force: true});
  symlinkSync(join(CONTRACTS, "node_modules"), link);
}
