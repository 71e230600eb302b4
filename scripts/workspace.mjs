// Reads what the repository holds: its packages, examples and their manifests.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run.mjs";

/** Sorted subfolders of a folder of the repository; none when it is missing. */
function folders(parent) {
  const path = join(root, parent);
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${parent}/${entry.name}`)
    .toSorted();
}

function project(folder) {
  const manifestPath = join(root, folder, "package.json");
  if (!existsSync(manifestPath)) return [];
  return [{ folder, path: join(root, folder), manifest: JSON.parse(readFileSync(manifestPath, "utf8")) }];
}

/** The published packages, as `{ folder, path, manifest }`; folders without a manifest are passed over. */
export const packages = () => folders("packages").flatMap(project);

/** Every project of the workspace: packages, examples, benchmarks. */
export const projects = () => [...packages(), ...folders("examples").flatMap(project), ...project("benchmarks")];

/** The doors of a package that are modules: `[{ door: "./testing", file: "dist/testing/index.js", types: "dist/…d.ts" }]`. */
export function doors(manifest) {
  return Object.entries(manifest.exports ?? {})
    .filter(([, target]) => typeof target !== "string")
    .map(([door, target]) => ({ door, file: target.default ?? target.import, types: target.types }));
}

/** Files that a package exports as they are, such as a JSON Schema. */
export const exportedFiles = (manifest) =>
  Object.values(manifest.exports ?? {}).filter((target) => typeof target === "string");
