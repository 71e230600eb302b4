// Starts other programs without a shell: the same on Linux, macOS and Windows.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder, without a trailing separator. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Scripts of the development tools, each run with this Node, so that no `.cmd` file is needed on Windows. */
const tools = {
  tsc: ["typescript", "bin/tsc"],
  oxlint: ["oxlint", "bin/oxlint"],
  oxfmt: ["oxfmt", "bin/oxfmt"],
  vitest: ["vitest", "vitest.mjs"],
  publint: ["publint", "src/cli.js"],
  attw: ["@arethetypeswrong/cli", "dist/index.js"],
  changeset: ["@changesets/cli", "bin.js"],
};

/** Only the plain words `npm` and `pnpm` can be `.cmd` files, which Windows starts through a shell alone; their arguments here need no quoting. */
const needsShell = (program) => process.platform === "win32" && (program === "npm" || program === "pnpm");

/** The command line of a development tool: `[node, script, ...args]`. */
export function tool(name, ...args) {
  const [packageName, script] = tools[name];
  return [process.execPath, join(root, "node_modules", packageName, script), ...args];
}

/** The command line of npm. On Windows npm is a `.cmd` file, which needs a shell, so its script is run with this Node. */
export function npm(...args) {
  const here = dirname(process.execPath);
  const candidates = [
    process.env.npm_execpath ?? "",
    join(here, "node_modules", "npm", "bin", "npm-cli.js"),
    join(here, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
  ];
  const script = candidates.find((path) => path.endsWith("npm-cli.js") && existsSync(path));
  return script === undefined ? ["npm", ...args] : [process.execPath, script, ...args];
}

/**
 * Runs a command line to its end with this terminal, handing signals on to it.
 * @returns its exit code; 128 + n when signal n ended it.
 */
export function run([program, ...args], { cwd = root, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: "inherit", shell: needsShell(program) });
    const forward = (signal) => child.kill(signal);
    const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };
    for (const signal of Object.keys(signals)) process.on(signal, forward);
    const settle = () => {
      for (const signal of Object.keys(signals)) process.off(signal, forward);
    };
    child.on("error", (error) => {
      settle();
      reject(error);
    });
    child.on("exit", (code, signal) => {
      settle();
      resolve(code ?? 128 + (signals[signal] ?? 0));
    });
  });
}

/** Runs a command line and keeps what it writes: `{ code, stdout, stderr }`; code is 127 where there is no such program. */
export function capture([program, ...args], { cwd = root, env = process.env, timeoutMs = 600_000 } = {}) {
  const result = spawnSync(program, args, {
    cwd,
    env,
    timeout: timeoutMs,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    shell: needsShell(program),
  });
  return {
    code: result.error === undefined ? (result.status ?? 1) : 127,
    stdout: result.stdout ?? "",
    stderr: result.stderr ?? "",
  };
}

/** A failure whose message is all that the reader needs: printed without a stack. */
export class ScriptError extends Error {}

/** Runs a script's main function, turning a `ScriptError` into its message and exit code 1. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    console.error(error instanceof ScriptError ? `\n${error.message}` : error);
    process.exitCode = 1;
  }
}

/** True when the module is the script that was started. */
export function isMain(url) {
  return process.argv[1] !== undefined && fileURLToPath(url) === realpathSync(process.argv[1]);
}
