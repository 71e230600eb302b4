import { spawn } from "node:child_process";

export interface ProgramRun {
  /** The exit code; absent where a signal ended it. */
  readonly code?: number | undefined;
  readonly endedBy?: NodeJS.Signals | undefined;
  readonly stdout: string;
  /** The last of what it wrote to the standard error, and the last lines of the standard output. */
  readonly tail: string;
  /** Whether there is such a program at all. */
  readonly found: boolean;
}

export interface ProgramOptions {
  readonly signal?: AbortSignal | undefined;
  readonly environment?: NodeJS.ProcessEnv | undefined;
  readonly folder?: string | undefined;
  readonly timeoutMs?: number | undefined;
}

const keptLength = 4_000;

/** Runs a program to its end. On abort it and all that it started are killed, and the reason of the signal is thrown. */
export async function runProgram(
  file: string,
  args: readonly string[],
  { signal, environment = process.env, folder, timeoutMs }: ProgramOptions = {},
): Promise<ProgramRun> {
  signal?.throwIfAborted();
  // A group of its own, so that compilers and interpreters started by it end with it, and so that a terminal's interrupt comes to us alone.
  const child = spawn(file, args, { cwd: folder, env: environment, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const kill = (): void => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(process.platform === "win32" ? child.pid : -child.pid, "SIGKILL");
    } catch {
      // It has just ended.
    }
  };
  signal?.addEventListener("abort", kill, { once: true });
  const timer = timeoutMs === undefined ? undefined : setTimeout(kill, timeoutMs);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = `${stderr}${text}`.slice(-keptLength)));
  try {
    const [code, endedBy, found] = await new Promise<[number | null, NodeJS.Signals | null, boolean]>((resolve) => {
      child.on("error", () => resolve([null, null, false]));
      child.on("close", (exitCode, exitSignal) => resolve([exitCode, exitSignal, true]));
    });
    signal?.throwIfAborted();
    const tail = `${stderr}\n${stdout.slice(-keptLength)}`.trim();
    return { code: code ?? undefined, endedBy: endedBy ?? undefined, stdout, tail, found };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", kill);
  }
}
