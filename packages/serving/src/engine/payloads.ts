import { concatBatches } from "@millwright/data";
import type { Payload } from "./batch-call.ts";
import { concatAll } from "./tensor-rows.ts";

/** Payloads of one shape as one, row after row. */
export function joinPayloads(payloads: readonly Payload[]): Payload {
  const [first] = payloads;
  if (first === undefined || payloads.length === 1) return first as Payload;
  return first.kind === "tensors"
    ? { kind: "tensors", tensors: concatAll(payloads.map((each) => (each.kind === "tensors" ? each.tensors : {}))) }
    : {
        kind: "columns",
        batch: concatBatches(payloads.flatMap((each) => (each.kind === "columns" ? [each.batch] : []))),
      };
}
