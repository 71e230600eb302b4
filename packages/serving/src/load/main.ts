#!/usr/bin/env node
import { UsageError, loadCommand, usage } from "./load-command.ts";

async function main(args: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort(signal));
  try {
    return await loadCommand(args, {
      signal: interrupted.signal,
      print: (text) => void process.stdout.write(`${text}\n`),
      note: (text) => void (process.stderr.isTTY ? process.stderr.write(`${text}\n`) : undefined),
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
    if (error instanceof Error && "code" in error && "syscall" in error) {
      process.stderr.write(`✗ ${error.message}\n`);
      return 1;
    }
    throw error;
  }
}

process.exitCode = await main(process.argv.slice(2));
