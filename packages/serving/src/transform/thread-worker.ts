import { parentPort, workerData } from "node:worker_threads";
import {
  type MakeThreadTarget,
  type ThreadInvocation,
  type ThreadMessage,
  type ThreadStart,
  ownBytes,
} from "./thread-messages.ts";

/** Loads the module, makes its target, and answers what it is sent. */
async function serve({ module, data }: ThreadStart): Promise<void> {
  const tell = (message: ThreadMessage, transfer: ArrayBuffer[] = []): void =>
    parentPort?.postMessage(message, transfer);
  try {
    const { default: make } = (await import(module)) as { readonly default?: MakeThreadTarget };
    if (typeof make !== "function")
      throw new TypeError(`The default export of ${module} is no function that makes a target.`);
    const target = await make(data);
    parentPort?.on("message", ({ id, ...invocation }: ThreadInvocation) => {
      void target.invoke(invocation).then(
        ({ status, body, retryAfterMs }) => {
          const own = ownBytes(body);
          tell({ kind: "answer", id, status, body: own, retryAfterMs }, [own.buffer]);
        },
        (error: unknown) => tell({ kind: "failure", id, error: plain(error) }),
      );
    });
    tell({ kind: "ready", name: target.name, model: target.model });
  } catch (error) {
    tell({ kind: "refused", error: plain(error) });
  }
}

/** What survives the way out of the thread. */
const plain = (error: unknown): unknown => (error instanceof Error ? error : new TypeError(String(error)));

await serve(workerData as ThreadStart);
