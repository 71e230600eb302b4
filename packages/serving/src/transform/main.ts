#!/usr/bin/env node
import { failureText, transformCommand, usage, UsageError } from "./transform-command.ts";

async function main(args: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort(signal));
  try {
    return await transformCommand(args, {
      signal: interrupted.signal,
      print: (text) => void process.stdout.write(`${text}\n`),
      note: (text) => void (process.stderr.isTTY ? process.stderr.write(`\r\u001b[K${text}`) : undefined),
    });
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n\n${usage}\n`);
      return 2;
    }
    const text = failureText(error);
    if (text === undefined) throw error;
    process.stderr.write(`${text}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
