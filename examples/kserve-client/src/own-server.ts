import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface OwnServer {
  readonly url: string;
  /** Resolves when its process has ended. */
  close(): Promise<void>;
}

/** Starts Millwright's server in another process. */
export async function startServer(folder: string): Promise<OwnServer> {
  const child: ChildProcess = fork(fileURLToPath(new URL("server.js", import.meta.url)), [folder]);
  const ended = once(child, "exit");
  const told = await Promise.race([
    once(child, "message"),
    ended.then(([code]) => new Error(`The server ended with ${code}.`)),
  ]);
  if (told instanceof Error) throw told;
  return {
    url: String(told[0]),
    async close() {
      child.disconnect();
      await ended;
    },
  };
}
