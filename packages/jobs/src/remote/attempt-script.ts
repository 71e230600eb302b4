import { posix } from "node:path";
import type { JobSpec, PreviousAttempt } from "@millwright/contracts";
import { specInvalid } from "../errors.ts";
import { encodeFrame, protocolVersion } from "../protocol.ts";
import type { ClusterAttempt } from "./cluster.ts";
import { frameMark } from "./output-link.ts";

/**
 * What runs around a job's program, in the shell of the machine it comes to: makes its folders, hands signals on, ends it after `MILLWRIGHT_JOB_SECONDS`
 * where that is set, and tells among its lines what it wrote as its failure (and, in a container, in the termination message) and how it ended.
 */
const script = `[ -n "$MILLWRIGHT_JOB_CANCEL" ] && [ -e "$MILLWRIGHT_JOB_CANCEL" ] && exit 143
mkdir -p "$MILLWRIGHT_JOB_OUTPUT" || exit 73
rm -f "$MILLWRIGHT_JOB_OUTPUT/failure"
cd "$MILLWRIGHT_JOB_FOLDER" || exit 66
began=$(date +%s)
if [ -n "$MILLWRIGHT_JOB_SECONDS" ]; then
  timeout -k "$MILLWRIGHT_JOB_GRACE" "$MILLWRIGHT_JOB_SECONDS" "$@" &
else
  "$@" &
fi
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
failure="$MILLWRIGHT_JOB_OUTPUT/failure"
if [ -s "$failure" ]; then
  [ -w /dev/termination-log ] && head -c 4096 "$failure" >/dev/termination-log
  printf '%s{"type":"written","base64":"%s"}\\n' "$MILLWRIGHT_JOB_FRAME" "$(head -c 4096 "$failure" | base64 | tr -d '\\n')"
fi
over=false
if [ -n "$MILLWRIGHT_JOB_SECONDS" ] && [ "$(($(date +%s) - began))" -ge "$MILLWRIGHT_JOB_SECONDS" ]; then
  [ "$code" -eq 124 ] || [ "$code" -eq 137 ] && over=true
fi
printf '%s{"type":"exit","code":%s,"overTime":%s}\\n' "$MILLWRIGHT_JOB_FRAME" "$code" "$over"
exit "$code"`;

/** Finds this package from where the module is, as the module's own imports do. */
const moduleStarter = `import{createRequire}from"node:module";import{pathToFileURL}from"node:url";
let worker;
try{worker=createRequire(process.env.MILLWRIGHT_JOB_MODULE).resolve("@millwright/jobs/worker")}catch(error){
const message="@millwright/jobs is not installed where the module is: "+error.message;
process.stdout.write(process.env.MILLWRIGHT_JOB_FRAME+JSON.stringify({type:"failure",error:{name:"Error",message}})+"\\n");process.exit(1)}
await import(new URL("bootstrap.js",pathToFileURL(worker)).href)`;

/** Linux takes 131,072 bytes a variable, its name and NUL included. */
const longestVariable = 128 * 1024 - 64;

export interface ScriptSetting {
  readonly name: string;
  readonly attempt: number;
  readonly mark: string;
  /** The job's own folder as its process sees it. */
  readonly work: string;
  /** The launcher's folder for the attempt as its process sees it; absent where it does not. */
  readonly folder: string | undefined;
  readonly wallTimeSeconds: number | undefined;
  /** Whether the script itself ends the program after its wall time: where the cluster cannot. */
  readonly ownTimeout: boolean;
  readonly node: string;
  /** How the attempt before this one failed. */
  readonly previous: PreviousAttempt | undefined;
}

/** What tells the module what to do. */
const startFrame = (
  spec: JobSpec,
  { attempt, work, previous }: Pick<ScriptSetting, "attempt" | "work" | "previous">,
): string | undefined => {
  if (!("module" in spec.run)) return undefined;
  const { module, input } = spec.run;
  const { graceMs = 10_000, heartbeatTimeoutMs = 60_000 } = spec.limits ?? {};
  const heartbeatMs = Math.min(15_000, Math.max(20, heartbeatTimeoutMs / 4));
  return encodeFrame({
    type: "start",
    protocol: protocolVersion,
    jobId: spec.id,
    attempt,
    module,
    ...(input === undefined ? {} : { input }),
    directory: work,
    heartbeatMs,
    graceMs,
    ...(previous === undefined ? {} : { previous }),
  }).trimEnd();
};

/** Whether the start of the job's module fits into its environment: throws `JOBS_SPEC_INVALID`. */
export function checkStart(spec: JobSpec): void {
  const bytes = Buffer.byteLength(startFrame(spec, { attempt: 1, work: "", previous: undefined }) ?? "");
  if (bytes > longestVariable - 8 * 1024)
    throw specInvalid(
      "run.input",
      `${bytes} bytes of JSON`,
      `at most ${longestVariable - 8 * 1024} bytes: name a file that the cluster sees`,
    );
}

/** The attempt as a cluster is asked for it. */
export function planClusterAttempt(spec: JobSpec, setting: ScriptSetting): ClusterAttempt {
  const { name, attempt, mark, work, folder, wallTimeSeconds, ownTimeout, node } = setting;
  const start = startFrame(spec, setting);
  const graceSeconds = Math.ceil((spec.limits?.graceMs ?? 10_000) / 1_000);
  const module = "module" in spec.run ? spec.run.module : undefined;
  // By way of a variable, so that the cluster's lists of commands stay readable.
  const starting = ["sh", "-c", 'exec "$0" --input-type=module --eval "$MILLWRIGHT_JOB_STARTER"', node] as const;
  return {
    name,
    spec,
    script,
    program: "command" in spec.run ? spec.run.command : starting,
    environment: {
      ...(spec.traceparent === undefined ? {} : { TRACEPARENT: spec.traceparent }),
      ...spec.environment,
      MILLWRIGHT_JOB_ID: spec.id,
      MILLWRIGHT_JOB_ATTEMPT: String(attempt),
      MILLWRIGHT_JOB_DIRECTORY: work,
      MILLWRIGHT_JOB_OUTPUT: posix.join(work, "output"),
      MILLWRIGHT_JOB_MARK: mark,
      MILLWRIGHT_JOB_FRAME: frameMark(mark),
      MILLWRIGHT_JOB_FOLDER: spec.workingDirectory ?? work,
      ...(ownTimeout && wallTimeSeconds !== undefined
        ? { MILLWRIGHT_JOB_SECONDS: String(wallTimeSeconds), MILLWRIGHT_JOB_GRACE: String(graceSeconds) }
        : {}),
      ...(start === undefined || module === undefined
        ? {}
        : { MILLWRIGHT_JOB_MODULE: module, MILLWRIGHT_JOB_START: start, MILLWRIGHT_JOB_STARTER: moduleStarter }),
      ...(folder === undefined ? {} : { MILLWRIGHT_JOB_CANCEL: posix.join(folder, cancelName(attempt)) }),
      ...(start === undefined || folder === undefined
        ? {}
        : { MILLWRIGHT_JOB_INBOX: posix.join(folder, inboxName(attempt)) }),
    },
    wallTimeSeconds,
    graceSeconds,
    folder,
  };
}

/** The file in the job's folder that says that an attempt need not begin. */
export const cancelName = (attempt: number): string => `cancel.${attempt}`;

/** The file in the job's folder that messages to the module of an attempt are appended to. */
export const inboxName = (attempt: number): string => `inbox.${attempt}.ndjson`;
