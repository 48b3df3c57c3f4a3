// Serves the files of one folder on this machine, for workers to fetch: node file-server.mjs PORT FOLDER
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { basename, join } from "node:path";

const [port, folder] = process.argv.slice(2);

createServer((request, response) => {
  // A bare name alone reaches a file: no path leads out of the folder.
  const name = basename(new URL(request.url, "http://localhost").pathname);
  const file = join(folder, name);
  const found = name === "" ? undefined : statSync(file, { throwIfNoEntry: false });
  if (request.method !== "GET" || !found?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "Content-Length": found.size });
  createReadStream(file).on("error", () => response.destroy()).pipe(response);
}).listen(Number(port), "127.0.0.1");
