// The module that a worker's process runs.
import { Board } from "./board.ts";
import { boardDescriptor, type ReplicaReport } from "./process-transport.ts";
import { openReplica, type Replica, type ReplicaSpec } from "./replica.ts";
import type { WorkerTask } from "./transport.ts";

type Message = { readonly spec: ReplicaSpec } | { readonly task: WorkerTask; readonly number: number };

let opening: Promise<Replica> | undefined;

function report(message: ReplicaReport, then?: () => void): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => then?.());
}

async function take(message: Message): Promise<void> {
  if ("spec" in message) {
    const { board } = message.spec;
    opening = openReplica(message.spec, new Board(board, new ArrayBuffer(Board.bytesOf(board)), boardDescriptor));
    await opening;
    return report({ ready: true });
  }
  await (await opening)?.learn(message.task);
  report({ done: message.number });
}

function leave(code: number): void {
  // oxlint-disable-next-line no-process-exit -- this process is the worker's own, and it has nothing to lose
  process.exit(code);
}

process.on("message", (message) => {
  take(message as Message).catch((error: unknown) => {
    report({ failed: error instanceof Error ? error.message : String(error) }, () => leave(1));
  });
});
// The first worker is gone, and with it whom it works for.
process.on("disconnect", () => leave(0));
