import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { type RunCommand, runLocally } from "../src/slurm/commands.ts";
import { freePorts } from "./free-ports.ts";

/** Where Slurm's and MUNGE's servers are. */
const folderOfServers = process.env["MILLWRIGHT_SLURM"] ?? "/usr/sbin";
const servers = ["munged", "slurmctld", "slurmd"].map((name) => join(folderOfServers, name));

/** Why there is no Slurm; undefined where there is one. */
export const slurmMissing: string | undefined =
  servers.every((path) => existsSync(path)) || process.env["CI"] === "true"
    ? undefined
    : `${folderOfServers} has no munged, slurmctld and slurmd: install slurm-wlm and munge, or name their folder in MILLWRIGHT_SLURM`;

export interface SlurmServer extends AsyncDisposable {
  readonly run: RunCommand;
}

const configuration = (folder: string, [controller, node]: readonly number[]): string => {
  const host = hostname().split(".")[0] ?? "localhost";
  const { username } = userInfo();
  return `ClusterName=millwright
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${controller}
SlurmdPort=${node}
SlurmdParameters=config_overrides
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket
SlurmUser=${username}
SlurmdUser=${username}
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MinJobAge=300
KillWait=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
NodeName=${host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=100
`;
};

/** Starts a Slurm cluster of one node on free ports, in a folder of its own. */
export async function startSlurm(): Promise<SlurmServer> {
  const folder = await mkdtemp(join(tmpdir(), "slurm-"));
  await Promise.all(["state", "spool"].map((name) => mkdir(join(folder, name))));
  await writeFile(join(folder, "munge.key"), randomBytes(1_024), { mode: 0o400 });
  await writeFile(join(folder, "slurm.conf"), configuration(folder, await freePorts(2)));
  const environment = { ...process.env, SLURM_CONF: join(folder, "slurm.conf") };
  const running: ChildProcess[] = [];
  let problem: Error | undefined;
  const start = (name: string, ...args: readonly string[]): void => {
    const options = { stdio: "ignore", env: environment } as const;
    const server = spawn(join(folderOfServers, name), [...args], options);
    server.once("error", (error) => (problem ??= error));
    server.once("exit", (code) => (problem ??= new Error(`${name} ended with ${code}.`)));
    running.push(server);
  };
  const mungeFiles = ["key", "socket", "pid", "log", "seed"].map((each) => {
    const option = { key: "key-file", socket: "socket", pid: "pid-file", log: "log-file", seed: "seed-file" }[each];
    return `--${option}=${folder}/munge.${each}`;
  });
  start("munged", "--foreground", "--force", ...mungeFiles);
  const run: RunCommand = (command, args, options) =>
    runLocally("env", [`SLURM_CONF=${join(folder, "slurm.conf")}`, command, ...args], options);
  const close = async (): Promise<void> => {
    for (const server of running.toReversed()) {
      if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) continue;
      const over = once(server, "exit");
      server.kill("SIGTERM");
      const late = setTimeout(() => server.kill("SIGKILL"), 5_000);
      await over;
      clearTimeout(late);
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const check = (): void => {
    if (problem !== undefined) throw problem;
  };
  try {
    while (!existsSync(join(folder, "munge.socket"))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      check();
    }
    start("slurmctld", "-D");
    start("slurmd", "-D");
    await answers(run, check);
  } catch (error) {
    await close();
    throw error;
  }
  return { run, [Symbol.asyncDispose]: close };
}

async function answers(run: RunCommand, check: () => void): Promise<void> {
  let said = "";
  for (let round = 0; round < 300; round += 1) {
    check();
    const result = await run("sinfo", ["--noheader", "--format=%T"], { signal: AbortSignal.timeout(10_000) }).catch(
      (error: unknown) => ({ code: 1, stdout: "", stderr: String(error) }),
    );
    said = result.stdout.trim() + result.stderr;
    if (result.code === 0 && said === "idle") return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Slurm did not start: ${said}`);
}
