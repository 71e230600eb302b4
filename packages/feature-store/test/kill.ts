import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A program of `fixtures/` that was begun, up to its first word. */
export interface Begun {
  /** Lets it go on for so long, if it waits for a line, and kills it outright. @returns the lines that it said after its first. */
  killAfter(afterMs: number): Promise<readonly string[]>;
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
  return {
    async killAfter(afterMs) {
      child.stdin.write("go\n");
      const timer = setTimeout(() => void kill(child), afterMs);
      await closed;
      clearTimeout(timer);
      // A last line without an end may be half a word.
      return text.split("\n").slice(1, -1);
    },
  };
}

const kill = (child: ChildProcess): boolean => child.kill("SIGKILL");
