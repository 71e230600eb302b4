import { open } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import { type CallOptions, hasCode, type JobSpec } from "@millwright/contracts";
import { createLineSplitter } from "../line-splitter.ts";
import { maxFrameLength } from "../protocol.ts";
import type { AttemptName, Cluster, ClusterAttempt, ClusterStatus, LogPart } from "../remote/cluster.ts";
import { checkPlainGpus } from "../remote/plain-gpus.ts";
import { shellWord } from "../remote/shell-word.ts";
import type { SlurmCommands } from "./commands.ts";
import { fieldsOf, slurmStatus } from "./slurm-status.ts";

export interface SlurmSetting {
  readonly name: string;
  readonly commands: SlurmCommands;
  /** The launcher's directory as this process sees it. */
  readonly directory: string;
  /** More arguments of `sbatch`. */
  readonly arguments: readonly string[];
}

const streams = { stdout: "out", stderr: "err" } as const;
const logName = (name: string, stream: "stdout" | "stderr"): string => `${name}.${streams[stream]}`;

export function createSlurmCluster({ name, commands, directory, arguments: more }: SlurmSetting): Cluster {
  const find = async (attempt: AttemptName, options: CallOptions): Promise<string | undefined> => {
    if (attempt.reference !== undefined && /^\d+$/.test(attempt.reference)) return attempt.reference;
    const args = ["--noheader", "--states=all", `--name=${attempt.name}`, "--format=%A"];
    return (await commands.run("squeue", args, options)).trim().split("\n").at(-1) || undefined;
  };
  const logPath = (attempt: AttemptName, stream: "stdout" | "stderr"): string =>
    join(directory, basename(attempt.folder ?? ""), logName(attempt.name, stream));
  return {
    name,
    stopsWaiting: true,
    check: (spec: JobSpec) => checkPlainGpus(spec, "Slurm", false),
    async submit(attempt: ClusterAttempt, options: CallOptions = {}) {
      const there = await find({ ...attempt, reference: undefined }, options);
      if (there !== undefined) return there;
      const input = batchScript(attempt);
      const said = await commands.run("sbatch", [...submitArguments(attempt), ...more], { input, ...options });
      return said.trim().split(";")[0] ?? "";
    },
    async look(attempt: AttemptName, options: CallOptions = {}): Promise<ClusterStatus> {
      const id = await find(attempt, options);
      return id === undefined ? { kind: "unknown" } : await lookAt(commands, id, options);
    },
    async *readLog(attempt, after, ended): AsyncGenerator<LogPart> {
      for (const stream of ["stdout", "stderr"] as const)
        yield* linesAfter(logPath(attempt, stream), stream, Number(after.get(stream) ?? 0), ended);
    },
    async stop(attempt, graceSeconds, options = {}) {
      const id = await find(attempt, options);
      if (id === undefined) return;
      // Plain: SIGTERM, and SIGKILL after Slurm's KillWait.
      const how = graceSeconds > 0 ? [] : ["--full", "--signal=KILL"];
      try {
        await commands.run("scancel", [...how, id], options);
      } catch (error) {
        // A job that is over needs no stopping; the next look says so.
        if (
          !hasCode(error, "JOBS_CLUSTER_REFUSED") ||
          !/invalid job id|already completed|completing/i.test(error.message)
        )
          throw error;
      }
    },
  };
}

/** What the controller knows for minutes after a job's end, and the accounting, where there is one, for long. */
async function lookAt(commands: SlurmCommands, id: string, options: CallOptions): Promise<ClusterStatus> {
  try {
    const fields = fieldsOf(await commands.run("scontrol", ["show", "job", "--oneliner", id], options));
    const { JobState = "", ExitCode = "", Reason } = fields;
    return slurmStatus(JobState, ExitCode, Reason === "None" ? undefined : Reason);
  } catch (error) {
    if (!hasCode(error, "JOBS_CLUSTER_REFUSED") || !/invalid job id/i.test(error.message)) throw error;
  }
  try {
    const args = ["--jobs", id, "--noheader", "--parsable2", "--allocations", "--format=State,ExitCode"];
    const [state = "", exit = ""] = (await commands.run("sacct", args, options)).trim().split("|");
    return state === "" ? { kind: "unknown" } : slurmStatus(state, exit, undefined);
  } catch (error) {
    if (hasCode(error, "JOBS_CLUSTER_REFUSED")) return { kind: "unknown" };
    throw error;
  }
}

/** `sbatch`'s arguments for an attempt. */
export function submitArguments({
  name,
  spec,
  folder = "",
  wallTimeSeconds,
  graceSeconds,
}: ClusterAttempt): readonly string[] {
  const { cpus, gpus = 0 } = spec.resources ?? {};
  const { memoryBytes } = spec.limits ?? {};
  const file = (stream: "stdout" | "stderr"): string => posix.join(folder, logName(name, stream)).replaceAll("%", "%%");
  return [
    "--parsable",
    `--job-name=${name}`,
    `--comment=${spec.id.replaceAll(/[^\w .:/-]/g, "_").slice(0, 200)}`,
    `--output=${file("stdout")}`,
    `--error=${file("stderr")}`,
    `--chdir=${folder}`,
    "--open-mode=append",
    "--no-requeue",
    "--export=NIL",
    "--ntasks=1",
    ...(cpus === undefined ? [] : [`--cpus-per-task=${Math.ceil(cpus)}`]),
    ...(gpus === 0 ? [] : [`--gres=gpu:${gpus}`]),
    ...(memoryBytes === undefined ? [] : [`--mem=${Math.ceil(memoryBytes / 1024)}K`]),
    // In whole minutes: the script keeps the time to the second, and this is for who schedules, and for a script that hangs.
    ...(wallTimeSeconds === undefined ? [] : [`--time=${Math.ceil((wallTimeSeconds + graceSeconds) / 60)}`]),
  ];
}

export function batchScript({ environment, script, program }: ClusterAttempt): string {
  const exports = Object.entries(environment).map(([name, value]) => `export ${name}=${shellWord(value)}`);
  return [
    "#!/bin/sh",
    'export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"',
    ...exports,
    `exec sh -c ${shellWord(script)} millwright ${program.map(shellWord).join(" ")}`,
    "",
  ].join("\n");
}

/** Whole lines of a file after a number of bytes; with `ended`, what follows the last line break too. */
async function* linesAfter(
  path: string,
  stream: "stdout" | "stderr",
  skip: number,
  ended: boolean,
): AsyncGenerator<LogPart> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return; // it has not begun
    throw error;
  }
  try {
    const buffer = Buffer.alloc(256 * 1024);
    const lines: string[] = [];
    const splitter = createLineSplitter(maxFrameLength, (line) => lines.push(line));
    let position = skip;
    let place = skip;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, place);
      if (bytesRead === 0) break;
      let start = 0;
      for (let end = buffer.indexOf(10, 0); end !== -1 && end < bytesRead; end = buffer.indexOf(10, start)) {
        splitter.push(buffer.subarray(start, end + 1));
        start = end + 1;
        position = place + start;
        for (const line of lines.splice(0)) yield { stream, line, position: String(position) };
      }
      splitter.push(buffer.subarray(start, bytesRead));
      place += bytesRead;
    }
    if (!ended) return;
    splitter.end();
    for (const line of lines.splice(0)) yield { stream, line, position: String(place) };
  } finally {
    await file.close();
  }
}
