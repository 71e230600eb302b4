#!/usr/bin/env node
import { isMillwrightError } from "@millwright/contracts";
import { UsageError, parseCommand, usage } from "./command-options.ts";
import { oneLine } from "./text-table.ts";

const print = (stream: NodeJS.WriteStream, text: string): void => void stream.write(`${text}\n`);

async function main(args: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort(signal));
  try {
    const line = parseCommand(args);
    if (line.name === undefined) {
      print(process.stdout, usage);
      return 0;
    }
    // Only now: a mistyped line need not wait for a registry.
    const { runCommand } = await import("./run-command.ts");
    return await runCommand(line, interrupted.signal);
  } catch (error) {
    if (interrupted.signal.aborted) {
      print(process.stderr, "Cancelled.");
      return interrupted.signal.reason === "SIGINT" ? 130 : 143;
    }
    if (error instanceof UsageError) {
      print(process.stderr, error.message === "" ? usage : `${error.message}\n\n${usage}`);
      return 2;
    }
    const isOurs = isMillwrightError(error);
    const isSystem = error instanceof Error && "code" in error && "syscall" in error;
    if (!isOurs && !isSystem) throw error;
    print(process.stderr, `✗ ${String(error.code)}: ${oneLine(error.message)}`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
