import { constants } from "node:os";
import { type AttemptVerdict, type Intervention, judge } from "../outcome.ts";
import type { WorkerFailure } from "../protocol.ts";
import type { ClusterCause, ClusterStatus } from "./cluster.ts";

/** What was read off the lines of an attempt. */
export interface Heard {
  result?: { readonly value?: unknown } | undefined;
  failure?: WorkerFailure | undefined;
  /** Why the module had to leave, as it says. */
  interruption?: string | undefined;
  /** What the module said of its size. */
  size?: number | undefined;
  /** The beginning of `output/failure`. */
  written?: string | undefined;
  exit?: { readonly code: number; readonly overTime: boolean } | undefined;
  /** The newest lines. */
  lines?: string | undefined;
}

export type RemoteVerdict = AttemptVerdict & {
  /** Set where the attempt ended because its time was over or somebody stopped it in the cluster. */
  readonly ended?: "over-time" | "stopped" | undefined;
};

/** A shell tells the signal that ended its program as 128 and the signal's number. */
function exitOf(code: number | undefined): Pick<AttemptVerdict, "exitCode" | "exitSignal"> {
  const [signal] = Object.entries(constants.signals).find(([, number]) => code === 128 + number) ?? [];
  return signal === undefined ? { exitCode: code, exitSignal: undefined } : { exitCode: undefined, exitSignal: signal };
}

const gone: ClusterCause = {
  kind: "interrupted",
  reason: "The cluster knows nothing of the job any more, and its output does not say how it ended.",
};

type Bad = Extract<AttemptVerdict, { readonly good: false }>;

/** Whether an attempt that is over went well: by what it said itself, else by what the cluster says. */
export function judgeRemote(
  status: ClusterStatus,
  heard: Heard,
  intervention: Intervention | undefined,
): RemoteVerdict {
  const told = status.kind === "ended" ? status : undefined;
  const exit = { ...exitOf(heard.exit?.code ?? told?.exitCode), size: heard.size };
  const result = heard.result as { readonly value?: never } | undefined;
  const { failure, interruption, lines, written } = heard;
  const judged: RemoteVerdict = {
    ...judge({ ...exit, result, failure, intervention, interruption, lines }, written),
    ...exit,
  };
  if (result !== undefined || intervention !== undefined) return judged;
  const cause = told?.cause ?? (status.kind === "unknown" && heard.exit === undefined ? gone : undefined);
  const bad = (category: Bad["category"], kind: Bad["cause"], reason: string): Bad => ({
    good: false,
    category,
    cause: kind,
    reason,
    retryable: category === "transient",
    ...exit,
  });
  if (heard.exit?.overTime === true || cause?.kind === "over-time")
    return { ...bad("user", "terminated", cause?.reason ?? "The wall time is over."), ended: "over-time" };
  if (cause === undefined) return judged;
  if (cause.kind === "stopped") return { ...bad("user", "terminated", cause.reason), ended: "stopped" };
  if (cause.kind === "interrupted") return bad("transient", "interrupted", cause.reason);
  // What the job wrote tells more than what the cluster says of its exit code, but not more than a kill that only the cluster knows of.
  const known = cause.failure;
  if (known === undefined && (heard.exit !== undefined || failure !== undefined)) return judged;
  const { category, cause: kind } = known ?? { category: "user", cause: "exit-code" };
  return bad(category, kind, written ?? failure?.message ?? cause.reason);
}
