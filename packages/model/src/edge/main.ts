#!/usr/bin/env node
import { isMillwrightError } from "@millwright/contracts";
import { UsageError, edgeCommand, usage } from "./edge-command.ts";

async function main(args: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort(signal));
  try {
    return await edgeCommand(args, {
      signal: interrupted.signal,
      print: (text) => void process.stdout.write(`${text}\n`),
    });
  } catch (error) {
    if (interrupted.signal.aborted) {
      process.stderr.write("Cancelled.\n");
      return interrupted.signal.reason === "SIGINT" ? 130 : 143;
    }
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n\n${usage}\n`);
      return 2;
    }
    const isOurs = isMillwrightError(error);
    const isSystem = error instanceof Error && "code" in error && "syscall" in error;
    if (!isOurs && !isSystem) throw error;
    process.stderr.write(`✗ ${String(error.code)}: ${error.message}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
