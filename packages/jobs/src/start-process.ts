import { type ChildProcess, spawn } from "node:child_process";
import type { AttemptOptions } from "./attempt-options.ts";
import { channelDescriptor } from "./protocol.ts";

const posix = process.platform !== "win32";

const quieted = new WeakSet<ChildProcess>();

/** Between two jobs nobody listens to a process: what goes wrong with it then its exit tells. */
export function quiet(child: ChildProcess): void {
  if (quieted.has(child)) return;
  quieted.add(child);
  child.on("error", () => {});
  child.stdio[channelDescriptor]?.on("error", () => {});
}

/** The process of an attempt, with pipes for its output and, where it is a module, for the channel. */
export function startProcess({ command, workingDirectory, environment, start }: AttemptOptions): ChildProcess {
  const [file, ...args] = command;
  return spawn(file, args, {
    cwd: workingDirectory,
    env: environment,
    // A session and process group of its own: signals reach the whole tree, and the terminal's Ctrl-C does not.
    detached: posix,
    windowsHide: true,
    stdio: ["ignore", "pipe", "pipe", start === undefined ? "ignore" : "pipe"],
  });
}
