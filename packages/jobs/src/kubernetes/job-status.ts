import type { ClusterCause, ClusterStatus } from "../remote/cluster.ts";
import { at, listAt, numberAt, textAt } from "../remote/json.ts";
import { containerName } from "./job-object.ts";

const conditionOf = (object: unknown, type: string): unknown =>
  listAt(object, "status", "conditions").find(
    (each) => textAt(each, "type") === type && textAt(each, "status") === "True",
  );

const containerOf = (pod: unknown): unknown =>
  listAt(pod, "status", "containerStatuses").find((each) => textAt(each, "name") === containerName);

/** What a Job and its newest pod say. @param pod Undefined where there is none (any more). */
export function statusOf(job: unknown, pod: unknown): ClusterStatus {
  if (conditionOf(job, "Complete") !== undefined) return { kind: "ended", exitCode: 0 };
  const failed = conditionOf(job, "Failed");
  if (failed !== undefined) {
    const exitCode = numberAt(containerOf(pod), "state", "terminated", "exitCode");
    return { kind: "ended", ...(exitCode === undefined ? {} : { exitCode }), cause: causeOf(failed, pod) };
  }
  const phase = textAt(pod, "status", "phase");
  // A pod that is over is still to be judged by the Job.
  if (phase === "Running" || phase === "Succeeded" || phase === "Failed") return { kind: "running" };
  return { kind: "waiting", why: whyWaiting(job, pod) };
}

function whyWaiting(job: unknown, pod: unknown): string | undefined {
  const waiting = at(containerOf(pod), "state", "waiting");
  const unscheduled = listAt(pod, "status", "conditions").find(
    (each) => textAt(each, "type") === "PodScheduled" && textAt(each, "status") === "False",
  );
  const told = waiting ?? unscheduled ?? conditionOf(job, "Suspended");
  const words = [textAt(told, "reason"), textAt(told, "message")].filter((each) => each !== undefined);
  return words.length === 0 ? undefined : words.join(": ");
}

function causeOf(failed: unknown, pod: unknown): ClusterCause {
  const reason = textAt(failed, "reason");
  const message = textAt(failed, "message") ?? "The Job failed.";
  const terminated = at(containerOf(pod), "state", "terminated");
  if (reason === "DeadlineExceeded" || textAt(pod, "status", "reason") === "DeadlineExceeded")
    return { kind: "over-time", reason: textAt(pod, "status", "message") ?? message };
  const disrupted = conditionOf(pod, "DisruptionTarget");
  if (disrupted !== undefined || reason === "PodFailurePolicy")
    return { kind: "interrupted", reason: textAt(disrupted, "message") ?? message };
  if (textAt(terminated, "reason") === "OOMKilled")
    return {
      kind: "failed",
      failure: { category: "capacity", cause: "kernel-out-of-memory" },
      reason: "OOMKilled: the container went over its memory limit, or its machine had no more.",
    };
  if (terminated === undefined)
    return {
      kind: "interrupted",
      reason: `${textAt(pod, "status", "message") ?? "The pod of the Job is gone."} ${message}`,
    };
  const told = textAt(terminated, "message") ?? message;
  const notStarted = ["ContainerCannotRun", "StartError"].includes(textAt(terminated, "reason") ?? "");
  return {
    kind: "failed",
    ...(notStarted ? { failure: { category: "user", cause: "not-started" } } : {}),
    reason: told,
  };
}
