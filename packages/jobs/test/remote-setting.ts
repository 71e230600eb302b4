import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { JobEvent } from "@millwright/contracts";
import { openRemoteJobs, type RemoteJobs, type RemoteJobsOptions } from "../src/remote/remote-jobs.ts";
import { openLocalCluster } from "./fixtures/local-cluster.js";
import { temporaryFolder } from "./setting.ts";

type Faults = Parameters<typeof openLocalCluster>[1];

export interface RemoteSetting extends AsyncDisposable {
  readonly jobs: RemoteJobs;
  readonly directory: string;
  readonly clusterFolder: string;
  /** Names of all submissions, repeated ones included. */
  submissions(): readonly string[];
  /** Another launcher of the same directory, in place of the one before. */
  reopen(options?: Partial<RemoteJobsOptions>): Promise<RemoteJobs>;
}

/** A launcher of jobs in a cluster of one machine, in a folder of its own. */
export async function openRemoteSetting(
  faults: Faults = {},
  options: Partial<RemoteJobsOptions> = {},
): Promise<RemoteSetting> {
  const folder = await temporaryFolder();
  const directory = join(folder.path, "jobs");
  const clusterFolder = join(folder.path, "cluster");
  mkdirSync(clusterFolder);
  const open = (more: Partial<RemoteJobsOptions>): Promise<RemoteJobs> =>
    openRemoteJobs(
      { directory, directoryOnCluster: directory, node: process.execPath, pollMs: 30, retryDelayMs: 10, ...more },
      openLocalCluster(clusterFolder, faults),
      { ownTimeout: true },
    );
  let jobs = await open(options);
  return {
    get jobs() {
      return jobs;
    },
    directory,
    clusterFolder,
    submissions() {
      const path = join(clusterFolder, "submissions");
      return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
    },
    async reopen(more = options) {
      await jobs[Symbol.asyncDispose]();
      jobs = await open(more);
      return jobs;
    },
    async [Symbol.asyncDispose]() {
      await jobs[Symbol.asyncDispose]();
      endJobs(clusterFolder);
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Of a cluster that is told to have lost a job the processes still run. */
function endJobs(clusterFolder: string): void {
  for (const name of readdirSync(clusterFolder)) {
    const path = join(clusterFolder, name, "pid");
    if (!existsSync(path)) continue;
    try {
      process.kill(-Number(readFileSync(path, "utf8")), "SIGKILL");
    } catch {
      // it is over
    }
  }
}

export const linesOf = (events: readonly JobEvent[]): readonly string[] =>
  events.flatMap((event) => (event.kind === "log" ? [event.line] : []));

export const statesOf = (events: readonly JobEvent[]): readonly string[] =>
  events.flatMap((event) => (event.kind === "state" ? [event.state] : []));
