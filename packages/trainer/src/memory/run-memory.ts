import { send } from "../run-senders.ts";
import type { Session } from "../run-session.ts";
import { decideMicroBatch, memoryReport, type MemoryReport } from "./memory-guard.ts";

/** Rows that are learned from at once where nothing has run out. */
function rowsAtOnce({ request, prepared, optimization }: Session): number {
  const batch = Math.min(request.batchSize, prepared.train.rows);
  const parts = Math.ceil(request.batchSize / (optimization.accumulate ?? 1));
  const { shards = 1, count = 1 } = request.workers ?? {};
  return Math.min(batch, parts, Math.ceil(batch / (shards === "workers" ? count : shards)));
}

/**
 * Tells the launcher how much this attempt takes at once, so that one that runs out of memory is tried again with half of it, and the trainer of each halving. Does
 * nothing where the request asks for no guard. Throws `TRAINER_WRITE_FAILED`.
 */
export async function guardMemory(
  session: Session,
): Promise<{ readonly session: Session; readonly report: MemoryReport | undefined }> {
  const { request, context } = session;
  const { memoryGuard } = request;
  if (memoryGuard == null) return { session, report: undefined };
  const { smallest } = memoryGuard;
  // A run that is done again begins with what the first came to.
  const rows = Math.min(request.microBatch ?? Infinity, rowsAtOnce(session));
  const guard = { directory: request.directory, smallest };
  const { microBatch, decisions, made } = await decideMicroBatch(guard, context.previous, rows);
  // A size that cannot be halved is not told: trying it again would be no use.
  if (microBatch > smallest) context.size(microBatch);
  const report = memoryReport(request.batchSize, microBatch, decisions);
  const last = decisions.at(-1);
  if (made && last !== undefined) send(context, { kind: "memory", ...last, batchSize: request.batchSize });
  return { session: { ...session, request: { ...request, microBatch } }, report };
}
