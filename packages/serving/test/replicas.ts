import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A replica in a process of its own. */
export interface Replica extends AsyncDisposable {
  /** What `fixtures/replica-child.js` makes of it. */
  call<Result>(name: string, given?: unknown): Promise<Result>;
  kill(): Promise<void>;
}

const script = fileURLToPath(new URL("./fixtures/replica-child.js", import.meta.url));

/** @param place A file of SQLite or an address of PostgreSQL. */
export async function startReplica(root: string, place: string, kind: "canary" | "experiment"): Promise<Replica> {
  const child: ChildProcess = fork(script, [root, place, kind], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const waiting = new Map<number, (answer: { readonly result?: unknown; readonly error?: string }) => void>();
  const ended = once(child, "exit");
  child.on("message", (message: { readonly id: number; readonly error?: string }) =>
    waiting.get(message.id)?.(message),
  );
  const answer = (id: number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      waiting.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result);
        else reject(new Error(error));
      });
      void ended.then(() => reject(new Error("The replica has ended.")));
    });
  let calls = 0;
  const opened = answer(0);
  await opened;
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  return {
    call(name, given) {
      const id = ++calls;
      const pending = answer(id);
      child.send({ id, name, given });
      return pending as Promise<never>;
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
