import { spawn } from "node:child_process";
import { getPriority, setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { createFrameReader, encodePrefix } from "./frames.ts";
import { workerEntry } from "./thread-transport.ts";
import { LastWords, type Transport, type TransportOptions } from "./transport.ts";

/** A program that speaks the protocol of workers on its standard input and output. */
export interface WorkerCommand {
  readonly program: string;
  readonly args?: readonly string[] | undefined;
  /** Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Default: this process's. */
  readonly directory?: string | undefined;
}

/** The command that runs the runtimes of a module in a Node process. */
export function nodeCommand(module: string, heapBytes: number | undefined): WorkerCommand {
  const limits = heapBytes === undefined ? [] : [`--max-old-space-size=${Math.ceil(heapBytes / 2 ** 20)}`];
  return { program: process.execPath, args: [...limits, fileURLToPath(workerEntry), module, String(process.pid)] };
}

/** Runs a program and exchanges frames with it. What it prints on standard error is kept for the message of its end. */
export function openProcess(command: WorkerCommand, { hearer, niceness, logger }: TransportOptions): Transport {
  const { program, args = [], env, directory } = command;
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "pipe"],
    windowsHide: true,
    ...(env === undefined ? {} : { env }),
    ...(directory === undefined ? {} : { cwd: directory }),
  });
  lowerPriority(child.pid, niceness);
  const title = `process ${child.pid ?? "of none"}`;
  const words = new LastWords();
  let failure: string | undefined;
  const reader = createFrameReader((header, body) => hearer.frame(header, body));
  child.stdout.on("data", (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (error) {
      hearer.garbage((error as Error).message);
    }
  });
  child.stderr.on("data", (chunk: Buffer) => {
    words.push(chunk);
    logger.info({ worker: title, output: chunk.toString() }, "a worker says");
  });
  // A pipe to a process that has just died.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on("error", () => {});
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => {
      failure ??= error.message;
      if (child.pid === undefined) resolve(failure);
    });
    child.once("close", (code, signal) => {
      resolve(words.after(failure ?? (signal === null ? `exit code ${code}` : `signal ${signal}`)));
    });
  });
  return {
    title,
    pid: child.pid,
    post(header, body) {
      const { stdin } = child;
      if (!stdin.writable) return;
      stdin.cork();
      stdin.write(encodePrefix(header, body?.byteLength ?? 0));
      if (body !== undefined && body.byteLength > 0) stdin.write(body);
      stdin.uncork();
    },
    kill: () => void child.kill("SIGKILL"),
    exited,
  };
}

function lowerPriority(pid: number | undefined, niceness: number): void {
  if (pid === undefined || niceness === 0) return;
  try {
    setPriority(pid, Math.min(19, getPriority() + niceness));
  } catch {
    // It has ended already, or the system does not allow it: it works all the same.
  }
}
