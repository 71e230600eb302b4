import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** A program of `fixtures/` that was begun, up to its first word. */
export interface Begun {
  /** Lets it go on for so long, if it waits for a line, and kills it outright. @returns the lines that it said after its first. */
  killAfter(afterMs: number): Promise<readonly string[]>;
  /** As `killAfter`, once the condition holds. */
  killWhen(isTime: () => Promise<boolean>): Promise<readonly string[]>;
}

/** Starts a program and waits for its first word. */
export async function begin(program: string, args: readonly string[]): Promise<Begun> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`fixtures/${program}`, import.meta.url)), ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk: string) => (text += chunk));
  child.stdin.on("error", () => {});
  const closed = once(child, "close");
  await Promise.race([once(child.stdout, "data"), closed]);
  let isClosed = false;
  void closed.then(() => (isClosed = true));
  const killed = async (wait: () => Promise<void>): Promise<readonly string[]> => {
    child.stdin.write("go\n");
    await wait();
    kill(child);
    await closed;
    // A last line without an end may be half a word.
    return text.split("\n").slice(1, -1);
  };
  return {
    killAfter: (afterMs) => killed(() => Promise.race([sleep(afterMs), closed.then(() => {})])),
    killWhen: (isTime) =>
      killed(async () => {
        while (!isClosed && !(await isTime())) await sleep(2);
      }),
  };
}

const kill = (child: ChildProcess): boolean => child.kill("SIGKILL");
