// Loads every door of every built package, and runs each package's test/smoke.mjs where there is one, on every supported
// line of Node. The other Nodes come from npm, as the packages that hold one Node for one platform.
//   node scripts/smoke-nodes.mjs             every version below
//   node scripts/smoke-nodes.mjs 22.23.3     only the named ones
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureBuilt, ensureInstalled, ensureNode } from "./ensure.mjs";
import { capture, isMain, main, npm, root, ScriptError } from "./run.mjs";
import { packages } from "./workspace.mjs";

/** The oldest Node that is promised, and the newest of each line kept up. */
const versions = ["20.19.0", "20.20.2", "22.23.3", "24.21.0"];

/** The npm package that holds Node for this platform. */
function platformPackage() {
  const platform = process.platform === "win32" ? "win" : process.platform;
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node";
  return `${prefix}-${platform}-${process.arch}`;
}

/** The path of that version's program, fetched once into node_modules/.cache. */
function openNode(version) {
  if (version === process.versions.node) return process.execPath;
  const folder = join(root, "node_modules", ".cache", "node-versions", version);
  const program = process.platform === "win32" ? "node.exe" : "node";
  const path = join(folder, "node_modules", platformPackage(), "bin", program);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  const spec = `${platformPackage()}@${version}`;
  const fetched = capture(npm("install", "--no-save", "--no-audit", "--no-fund", spec), { cwd: folder });
  if (fetched.code !== 0 || !existsSync(path)) {
    throw new ScriptError(
      `Node ${version} could not be fetched from npm as ${spec}:\n${fetched.stdout}${fetched.stderr}`,
    );
  }
  return path;
}

/** Runs the smoke of one package on one Node; what went wrong, or undefined. */
function smoke(node, { name, path }) {
  const doors = capture([node, join(root, "scripts", "smoke-doors.mjs"), path], { cwd: path, timeoutMs: 120_000 });
  if (doors.code !== 0) return `${name}: ${doors.stdout}${doors.stderr}`;
  const script = join(path, "test", "smoke.mjs");
  if (!existsSync(script)) return undefined;
  const action = capture([node, script], { cwd: path, timeoutMs: 120_000 });
  return action.code === 0 ? undefined : `${name}: test/smoke.mjs: ${action.stdout}${action.stderr}`;
}

if (isMain(import.meta.url)) {
  await main(async () => {
    ensureNode();
    await ensureInstalled();
    await ensureBuilt();
    const wanted = process.argv.length > 2 ? process.argv.slice(2) : versions;
    const all = packages().map(({ path, manifest }) => ({ path, name: manifest.name }));
    const failures = wanted.flatMap((version) => {
      const node = openNode(version);
      const problems = all.flatMap((project) => smoke(node, project) ?? []);
      console.log(`Node ${version}: ${all.length - problems.length} of ${all.length} packages load and work`);
      return problems.map((problem) => `Node ${version}: ${problem}`);
    });
    if (failures.length > 0) throw new ScriptError(failures.join("\n"));
    return 0;
  });
}
