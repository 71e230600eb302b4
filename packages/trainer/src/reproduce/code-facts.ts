import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOf } from "@millwright/contracts";

/** Which code a run has, where it is not to be asked of git. */
export interface CodeVersion {
  /** For instance a commit's id. */
  readonly commit: string;
  /** Digest of what differs from it; absent where nothing does. */
  readonly changes?: string | undefined;
}

const lockfiles = ["pnpm-lock.yaml", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "bun.lock"];
const gitTimeoutMs = 10_000;

/** The commit that a module's repository is at, and a digest of what differs from it: the changes of files that git knows, and the names of others in the module's own folder. */
async function askGit(folder: string): Promise<CodeVersion | undefined> {
  const commit = await outputOf(folder, ["rev-parse", "HEAD"]);
  if (commit === undefined) return undefined;
  const changes = await digestOfOutput(folder, ["diff", "HEAD", "--binary", "--no-ext-diff", "--no-color"]);
  const others = (await outputOf(folder, ["ls-files", "--others", "--exclude-standard"])) ?? "";
  const none = digestOf("");
  if (changes === none && others === "") return { commit };
  return { commit, changes: digestOf(`${changes ?? none}\n${others}`) };
}

async function outputOf(folder: string, args: readonly string[]): Promise<string | undefined> {
  let text = "";
  const ended = await runGit(folder, args, (chunk) => (text += chunk.toString("utf8")));
  return ended ? text.trim() : undefined;
}

async function digestOfOutput(folder: string, args: readonly string[]): Promise<string | undefined> {
  const hash = createHash("sha256");
  const ended = await runGit(folder, args, (chunk) => hash.update(chunk));
  return ended ? `sha256:${hash.digest("hex")}` : undefined;
}

/** @returns whether git is there, and was content. */
function runGit(folder: string, args: readonly string[], onChunk: (chunk: Buffer) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const git = spawn("git", ["-C", folder, ...args], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: gitTimeoutMs,
      // It must not wait for anybody, nor take locks that others want.
      env: { ...process.env, GIT_TERMINAL_PROMPT: "0", GIT_OPTIONAL_LOCKS: "0" },
    });
    git.on("error", () => resolve(false));
    git.stdout.on("data", onChunk);
    git.on("close", (code) => resolve(code === 0));
  });
}

/** Of the nearest lockfile above a folder. */
async function lockfileDigest(folder: string): Promise<string | undefined> {
  for (let at = folder; ; at = dirname(at)) {
    for (const name of lockfiles) {
      const content = await readFile(join(at, name)).catch(() => undefined);
      if (content !== undefined) return digestOf(content);
    }
    if (dirname(at) === at) return undefined;
  }
}

/** What a run's code is: the module's own digest, its repository's state, and the versions that its dependencies are locked to. */
export async function codeFacts(
  modulePath: string,
  given?: CodeVersion | null,
): Promise<Readonly<Record<string, string>>> {
  const folder = dirname(modulePath);
  const [module, version, lockfile] = await Promise.all([
    readFile(modulePath).then(digestOf),
    given ?? askGit(folder),
    lockfileDigest(folder),
  ]);
  return {
    "code.module": module,
    ...(version === undefined ? {} : { "code.commit": version.commit, "code.changes": version.changes ?? "none" }),
    ...(lockfile === undefined ? {} : { lockfile }),
  };
}
