import type { JobHandle, JsonValue } from "@millwright/contracts";
import type { ToldError } from "./errors.ts";
import type { RunMessage } from "./run-messages.ts";
import { jobFailure } from "./training-run.ts";

/**
 * What a job returns that nobody else follows. On abort it is stopped, with `reason`, and the call rejects with the signal's once it has ended.
 * Throws what the job failed of, by the error that it told last.
 */
export async function jobValue(job: JobHandle, reason: string, signal: AbortSignal | undefined): Promise<JsonValue> {
  let told: ToldError | undefined;
  const stop = (): void => void job.stop(reason);
  if (signal?.aborted === true) stop();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for await (const event of job.events()) {
      if (event.kind === "state" && event.state === "starting") told = undefined; // of the attempt before
      if (event.kind !== "message") continue;
      const message = event.body as unknown as RunMessage;
      if (message.kind === "error") told = message.error;
    }
    const result = await job.result();
    signal?.throwIfAborted();
    if (result.state !== "completed") throw jobFailure(job.id, result, told);
    return result.value as JsonValue;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
