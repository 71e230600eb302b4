// Makes a checkout ready to run: Node is new enough, dependencies are installed, packages are built.
// Needs nothing but Node and npm; does only what has not been done yet.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { capture, isMain, main, npm, root, run, ScriptError, tool } from "./run.mjs";
import { projects } from "./workspace.mjs";

const leastNode = [20, 19];
/** The pnpm that npm fetches where none of this major version is on the PATH. */
const pnpmVersion = "12.21.0";
const stampPath = join(root, "node_modules", ".millwright-install");

/** Throws unless this Node can run Millwright. */
export function ensureNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const enough = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1]);
  if (!enough) {
    throw new ScriptError(
      `Millwright needs Node ${leastNode.join(".")} or newer; this is Node ${process.versions.node} (${process.execPath}).\n` +
        "Install a newer Node (for example with `nvm install 22`, or from https://nodejs.org), then run the same command again.",
    );
  }
}

/** What an install depends on, as one digest: the lock file, every manifest, and this Node on this machine. */
function installDigest() {
  const hash = createHash("sha256");
  hash.update(`${process.version} ${process.platform} ${process.arch}\n`);
  const manifests = ["package.json", ...projects().map(({ folder }) => `${folder}/package.json`)];
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", ...manifests]) {
    const path = join(root, file);
    hash.update(`${file}\0`).update(existsSync(path) ? readFileSync(path) : "");
  }
  return hash.digest("hex");
}

/** The command line of a pnpm of the right major version: the one on the PATH, or one that npm fetches. */
export function findPnpm() {
  const found = capture(["pnpm", "--version"], { env: { ...process.env, COREPACK_ENABLE_DOWNLOAD_PROMPT: "0" } });
  const sameMajor = found.code === 0 && found.stdout.trim().split(".")[0] === pnpmVersion.split(".")[0];
  // `--yes` on the command line wins over `yes=false` in an .npmrc.
  return sameMajor ? ["pnpm"] : npm("exec", "--yes", "--", `pnpm@${pnpmVersion}`);
}

/** Variables under which an install does the same everywhere: asks nothing, and leaves no development tool out. */
function installEnvironment() {
  const { NODE_ENV: _ignored, ...env } = process.env;
  return { ...env, CI: "true", COREPACK_ENABLE_DOWNLOAD_PROMPT: "0" };
}

const installFailed = (code, command) =>
  new ScriptError(
    `Installing the dependencies failed: \`${command.join(" ")}\` ended with exit code ${code}. Its own words are above. Usual mends:\n` +
      "  - no network, or a proxy in between: connect, or set `proxy` and `https-proxy` (npm config), and run the same command again;\n" +
      "  - pnpm could not be fetched by npm: install it by hand (`npm install --global pnpm@12`) and run the same command again;\n" +
      "  - ERR_PNPM_OUTDATED_LOCKFILE: a package.json was changed; run `pnpm install` once and commit pnpm-lock.yaml;\n" +
      "  - anything else: delete the folder node_modules and run the same command again.",
  );

/** Installs what the lock file names, unless the very same install has been done. */
export async function ensureInstalled({ quiet = false } = {}) {
  const digest = installDigest();
  const stamped = existsSync(stampPath) ? readFileSync(stampPath, "utf8") : "";
  if (stamped === digest) return;
  const command = [...findPnpm(), "install", "--frozen-lockfile", ...(quiet ? ["--reporter", "silent"] : [])];
  rmSync(stampPath, { force: true });
  const code = await run(command, { env: installEnvironment() }).catch((error) => {
    throw installFailed(error.message, command);
  });
  if (code !== 0) throw installFailed(code, command);
  mkdirSync(join(root, "node_modules"), { recursive: true });
  writeFileSync(stampPath, digest);
}

/** Compiles what changed since the last build. */
export async function ensureBuilt() {
  const code = await run(tool("tsc", "-b"));
  if (code !== 0) throw new ScriptError("Compiling failed; the compiler's words are above.");
}

if (isMain(import.meta.url)) {
  await main(async () => {
    ensureNode();
    await ensureInstalled();
    await ensureBuilt();
  });
}
