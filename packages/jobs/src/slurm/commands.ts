import { execFile } from "node:child_process";
import { deadlineOf } from "../remote/deadline.ts";
import { clusterRefused, clusterUnreachable } from "../errors.ts";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs one of Slurm's commands where they are: here, or over a connection of yours to a login node. Rejects where it could not be run at all.
 * @param options `input` is the command's standard input.
 */
export type RunCommand = (
  command: string,
  args: readonly string[],
  options: { readonly input?: string | undefined; readonly signal: AbortSignal },
) => Promise<CommandResult>;

/** Runs commands on this machine. */
export const runLocally: RunCommand = (command, args, { input, signal }) =>
  new Promise((resolve, reject) => {
    const options = { signal, maxBuffer: 16 * 1024 * 1024, env: { ...process.env, SLURM_TIME_FORMAT: "standard" } };
    const child = execFile(command, [...args], options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") reject(signal.aborted ? (signal.reason as Error) : error);
      else resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
    });
    child.stdin?.on("error", () => {}); // it ended without reading
    child.stdin?.end(input ?? "");
  });

/** What Slurm's commands say where its controller is away or busy. */
const passing =
  /unable to contact slurm controller|connection (?:refused|timed out|reset)|socket timed out|zero bytes were transmitted|temporarily|try again|transport endpoint|resource temporarily|backup controller|in standby mode|unable to connect/i;

export interface SlurmCommands {
  /** Standard output of a command that went well. Throws `JOBS_CLUSTER_UNREACHABLE`, `JOBS_CLUSTER_REFUSED`. */
  run(
    command: string,
    args: readonly string[],
    options: { readonly input?: string; readonly signal?: AbortSignal | undefined },
  ): Promise<string>;
}

export function createCommands(name: string, run: RunCommand, timeoutMs: number): SlurmCommands {
  return {
    async run(command, args, { input, signal }) {
      using deadline = deadlineOf(signal, timeoutMs);
      let result: CommandResult;
      try {
        result = await run(command, args, { input, signal: deadline.signal });
      } catch (error) {
        signal?.throwIfAborted();
        const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
        if (missing) throw clusterRefused(name, command, "there is no such command");
        throw clusterUnreachable(name, error instanceof Error ? error.message : String(error), error);
      }
      const said = result.stderr.trim().slice(-600);
      if (result.code === 0) return result.stdout;
      if (passing.test(said)) throw clusterUnreachable(name, said);
      throw clusterRefused(name, command, said);
    },
  };
}
