// Runs forge, and ends as forge ends. The launcher that npm puts into `.bin` ends with 0 whatever the tests said, so a
// script that must notice a failure cannot use it.
import {spawnSync} from "node:child_process";
import {createRequire} from "node:module";
import {arch, platform} from "node:process";
import {fileURLToPath} from "node:url";

const require = createRequire(import.meta.url);
const names = {x64: "amd64", arm64: "arm64"};

/** The binary of this machine's package, which npm installs beside the launcher. */
export const FORGE = require.resolve(
  `@foundry-rs/forge-${platform}-${names[arch]}/bin/forge${platform === "win32" ? ".exe" : ""}`,
);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const {status, error} = spawnSync(FORGE, process.argv.slice(2), {stdio: "inherit"});
  if (error) throw error;
  process.exitCode = status ?? 1;
}
