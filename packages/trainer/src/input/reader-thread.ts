// A thread that reads rows while steps run.
import { parentPort, workerData } from "node:worker_threads";
import { compileTransforms } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { tellError } from "../errors.ts";
import { EvenShare } from "./even-share.ts";
import type { ReaderReply, ReaderRequest, ReaderThreadData } from "./reader-messages.ts";
import { createWindowLoader } from "./window-loader.ts";

const { ref, transforms, label, task, rows, maxRows } = workerData as ReaderThreadData;
const duckdb = await openDuckDb({ threads: 1 });
const loader = createWindowLoader({
  dataset: duckdb.openRef(ref),
  transforms: compileTransforms(transforms),
  trainBatch: undefined,
  label,
  task,
  share: new EvenShare(rows, maxRows ?? undefined),
});
const reply = (message: ReaderReply): void => parentPort?.postMessage(message);

async function close(): Promise<void> {
  try {
    await loader[Symbol.asyncDispose]();
    await duckdb[Symbol.asyncDispose]();
  } finally {
    parentPort?.close();
  }
}

parentPort?.on("message", (request: ReaderRequest) => {
  if (request === "close") {
    void close();
    return;
  }
  const { id, ranges, target } = request;
  loader.load(ranges, target).then(
    () => reply({ id }),
    (error: unknown) =>
      reply({ id, error: tellError(error) ?? { message: error instanceof Error ? error.message : String(error) } }),
  );
});
