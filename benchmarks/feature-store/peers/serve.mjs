// A program under test: answers requests, one JSON line each, until it is told to stop.
import { createInterface } from "node:readline";

export async function serve(operations) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { op, ...request } = JSON.parse(line);
    if (op === "stop") break;
    try {
      console.log(JSON.stringify((await operations[op](request)) ?? {}));
    } catch (error) {
      console.log(JSON.stringify({ error: String(error?.stack ?? error) }));
    }
  }
}
