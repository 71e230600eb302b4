import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Child {
  readonly process: ChildProcess;
  /** What it has written so far. */
  output(): string;
  /** Resolves when its output holds `text`, or when it ends. */
  said(text: string): Promise<void>;
  readonly ended: Promise<{
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly errors: string;
  }>;
}

/** Runs a program of `fixtures/` in a process of its own. */
export function startChild(fixture: string, args: readonly string[]): Child {
  const file = fileURLToPath(new URL(`fixtures/${fixture}`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  let listener = (): void => undefined;
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    listener();
  });
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null; errors: string }>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, errors }));
  });
  const said = (text: string): Promise<void> =>
    new Promise((resolve) => {
      listener = () => {
        if (output.includes(text)) resolve();
      };
      listener();
      void ended.then(() => resolve());
    });
  return { process: child, output: () => output, said, ended };
}

export const endedWell = { code: 0, signal: null, errors: "" } as const;
