// Writes the root tsconfig.json, so that `tsc -b` builds every project there is. With --check it only compares.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMain, main, root, ScriptError } from "./run.mjs";
import { projects } from "./workspace.mjs";

const path = join(root, "tsconfig.json");

/** The text that the root tsconfig.json must have. */
export function rootTsconfig() {
  const references = projects()
    .filter((project) => existsSync(join(project.path, "tsconfig.json")))
    .map(({ folder }) => `    { "path": "${folder}" }`);
  return `{\n  "files": [],\n  "references": [\n${references.join(",\n")}\n  ]\n}\n`;
}

if (isMain(import.meta.url)) {
  await main(() => {
    const wanted = rootTsconfig();
    if (readFileSync(path, "utf8") === wanted) return 0;
    if (process.argv.includes("--check"))
      throw new ScriptError("tsconfig.json is out of date: run `node scripts/references.mjs`.");
    writeFileSync(path, wanted);
    return 0;
  });
}
