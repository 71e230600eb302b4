import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The model that is served elsewhere. */
export interface Remote {
  readonly url: string;
  /** Takes it away without notice. */
  kill(): Promise<void>;
}

/** Starts a server that stands for the remote one: it speaks KServe's protocol and SageMaker's. */
export async function startRemote(folder: string): Promise<Remote> {
  const child: ChildProcess = fork(fileURLToPath(new URL("remote-server.js", import.meta.url)), [folder]);
  const ended = once(child, "exit");
  const told = await Promise.race([
    once(child, "message"),
    ended.then(([code]) => new Error(`The remote server ended with ${code}.`)),
  ]);
  if (told instanceof Error) throw told;
  return {
    url: String(told[0]),
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
