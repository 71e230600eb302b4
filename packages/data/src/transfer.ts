import type { Batch, Column } from "@millwright/contracts";

/**
 * The buffers to hand over with `postMessage(batch, transferables(batch))`: each once. The sender's columns are empty afterwards, and so is
 * everything else that viewed the same memory: pass a `copyBatch` of what must be kept, and of slices.
 */
export function transferables(batch: Batch): ArrayBuffer[] {
  const buffers = new Set<ArrayBufferLike>();
  for (const column of Object.values(batch.columns)) collect(column, buffers);
  // Shared memory is not transferred: both sides see it.
  return [...buffers].filter((buffer) => buffer instanceof ArrayBuffer);
}

function collect(column: Column, buffers: Set<ArrayBufferLike>): void {
  if (column.validity !== undefined) buffers.add(column.validity.buffer);
  if (column.type === "list") collect(column.values, buffers);
  else buffers.add(column.values.buffer);
  if (column.type === "dictionary") collect(column.dictionary, buffers);
  if ("offsets" in column) buffers.add(column.offsets.buffer);
}
