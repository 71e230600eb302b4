import { parentPort } from "node:worker_threads";
import { type RemoteTrial, type TrialAnswer, createRemoteTrial, importObjective } from "./trial-link.ts";
import type { ThreadOrder, ThreadWord } from "./thread-words.ts";

/** What a thread of `workerObjective` runs: one trial after another. */
const port = parentPort;
let current: { readonly trial: RemoteTrial; readonly stop: AbortController } | undefined;
const say = (word: ThreadWord): void => port?.postMessage(word);

async function run(url: string, attempt: number): Promise<void> {
  const stop = new AbortController();
  const trial = createRemoteTrial(attempt, (call) => say({ kind: "call", call }));
  current = { trial, stop };
  try {
    const objective = await importObjective(url);
    const value = await objective(await trial.begin(stop.signal));
    say({ kind: "result", value });
  } catch (error) {
    say({ kind: "error", error: wordsOf(error) });
  }
}

function wordsOf(error: unknown): Extract<ThreadWord, { kind: "error" }>["error"] {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), stack: undefined, code: undefined };
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return { name: error.name, message: error.message, stack: error.stack, code };
}

port?.on("message", (order: ThreadOrder) => {
  if (order.kind === "run") void run(order.url, order.attempt);
  else if (order.kind === "abort") current?.stop.abort(new DOMException(order.reason, "AbortError"));
  else current?.trial.take(order.answer satisfies TrialAnswer);
});
