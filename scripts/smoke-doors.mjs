// Imports every door of one built package; the package's folder is the argument. Must run on every supported Node.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { doors } from "./workspace.mjs";

const [folder] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
for (const { door, file } of doors(manifest)) {
  try {
    const module = await import(pathToFileURL(join(folder, file)).href);
    if (typeof module !== "object") throw new TypeError("no module");
  } catch (error) {
    const [first] = String(error?.stack ?? error).split("\n    at ");
    console.error(`the door ${door} does not load: ${first}`);
    process.exitCode = 1;
  }
}
