import type { ClusterCause, ClusterStatus } from "../remote/cluster.ts";

const waiting = new Set([
  "PENDING",
  "CONFIGURING",
  "REQUEUED",
  "REQUEUE_HOLD",
  "REQUEUE_FED",
  "RESV_DEL_HOLD",
  "SPECIAL_EXIT",
  "POWER_UP_NODE",
]);
const interrupted = new Set(["NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "LAUNCH_FAILED", "RECONFIG_FAIL", "REVOKED"]);

/**
 * What Slurm says of a job. `state` is its JobState, from sacct with what may follow it (`CANCELLED by 1000`); `exit` is `code:signal`.
 * @see https://slurm.schedmd.com/job_state_codes.html
 */
export function slurmStatus(state: string, exit: string, why: string | undefined): ClusterStatus {
  const [base = ""] = state.split(/[\s+]/);
  if (waiting.has(base)) return { kind: "waiting", why };
  const [code = Number.NaN, signal = 0] = exit.split(":").map(Number);
  const exitCode = signal > 0 ? { exitCode: 128 + signal } : Number.isNaN(code) ? {} : { exitCode: code };
  const ended = (cause: ClusterCause): ClusterStatus => ({ kind: "ended", ...exitCode, cause });
  if (base === "COMPLETED") return { kind: "ended", exitCode: 0 };
  if (base === "FAILED") return { kind: "ended", ...exitCode };
  if (base === "CANCELLED")
    return ended({ kind: "stopped", reason: `Slurm says that the job was cancelled: ${state}.` });
  if (base === "TIMEOUT" || base === "DEADLINE")
    return ended({ kind: "over-time", reason: `Slurm ended the job: ${base}.` });
  if (base === "OUT_OF_MEMORY") {
    const failure = { category: "capacity", cause: "kernel-out-of-memory" } as const;
    return ended({ kind: "failed", failure, reason: "OUT_OF_MEMORY: the job went over its memory in Slurm." });
  }
  if (interrupted.has(base))
    return ended({ kind: "interrupted", reason: `Slurm took the job's machine away: ${base}.` });
  return { kind: "running" };
}

/** The fields of a line of `scontrol show job -o`. */
export function fieldsOf(line: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...line.matchAll(/(?:^|\s)([A-Za-z/:]+)=(\S*)/g)].map(([, name, value]) => [name, value]));
}
