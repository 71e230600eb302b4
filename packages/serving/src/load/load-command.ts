import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type CallOptions, createRandom } from "@millwright/contracts";
import { type Arrivals, burstyArrivals, constantArrivals, poissonArrivals, traceArrivals } from "./arrivals.ts";
import { httpTarget } from "./http-target.ts";
import type { LatencySummary } from "./latencies.ts";
import { type LoadReport, runLoad } from "./run-load.ts";

/** The command line is not understood; its message tells why. */
export class UsageError extends Error {}

export const usage = `millwright-load: open-loop load for an HTTP endpoint, without coordinated omission

  millwright-load URL --rate 200 --seconds 30 [--body FILE] [--header "name: value"]

  --rate N            requests a second (default: 50)
  --seconds N         how long (default: 10); before it --warm-up N seconds that are not counted (default: 1)
  --arrivals KIND     poisson (default), constant, or bursty: five times the rate for 2 s about every 10 s
  --trace FILE        arrivals from a file: milliseconds, one a line
  --body FILE         posts its bytes; --header content-type: application/json is the default then
  --header "N: V"     as often as there are headers
  --connections N     most connections (default: as many as requests are under way)
  --timeout N         seconds after which a request has failed (default: 60)
  --seed N            of the arrivals (default: 0)
  --fail-above MS     exits with 1 where the p99 is above
  --json              the whole report, for programs

  Exits with 0 where requests were answered, 1 where all failed or --fail-above says so, 2 where the command line is not understood.`;

const options = {
  arrivals: { type: "string", default: "poisson" },
  body: { type: "string" },
  connections: { type: "string" },
  "fail-above": { type: "string" },
  header: { type: "string", multiple: true },
  help: { type: "boolean", short: "h" },
  json: { type: "boolean" },
  rate: { type: "string", default: "50" },
  seconds: { type: "string", default: "10" },
  seed: { type: "string", default: "0" },
  timeout: { type: "string", default: "60" },
  trace: { type: "string" },
  "warm-up": { type: "string", default: "1" },
} as const;

type Values = ReturnType<typeof parse>["values"];

/** Runs a command line. @returns the exit code. Throws a `UsageError`. */
export async function loadCommand(
  args: readonly string[],
  { signal, print, note }: CallOptions & { print(text: string): void; note(text: string): void },
): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help === true || args.length === 0) {
    print(usage);
    return 0;
  }
  const [url, ...others] = positionals;
  if (url === undefined || others.length > 0) throw new UsageError("Give one URL.");
  if (!URL.canParse(url)) throw new UsageError(`"${url}" is not a URL.`);
  const failAbove = values["fail-above"] === undefined ? undefined : numberOf("fail-above", values["fail-above"]);
  const report = await load(url, values, { signal, note });
  print(values.json === true ? JSON.stringify(report) : textOf(report));
  const tooSlow = failAbove !== undefined && report.latencyMs.p99 > failAbove;
  return report.answered === 0 || tooSlow ? 1 : 0;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function load(
  url: string,
  values: Values,
  { signal, note }: CallOptions & { note(text: string): void },
): Promise<LoadReport> {
  const warmUpMs = numberOf("warm-up", values["warm-up"], 0) * 1000;
  const body = values.body === undefined ? undefined : await readFile(values.body);
  const connections = values.connections === undefined ? undefined : numberOf("connections", values.connections);
  const { target, close } = httpTarget({ url, body, connections, headers: headersOf(values, body !== undefined) });
  try {
    return await runLoad({
      target,
      arrivals: await arrivalsOf(values),
      durationMs: numberOf("seconds", values.seconds) * 1000 + warmUpMs,
      warmUpMs,
      timeoutMs: numberOf("timeout", values.timeout) * 1000,
      random: createRandom(numberOf("seed", values.seed, 0)),
      signal,
      onProgress: ({ elapsedMs, answered, failed, inFlight }) =>
        note(`${Math.round(elapsedMs / 1000)} s: ${answered} answered, ${failed} failed, ${inFlight} under way`),
    });
  } finally {
    close();
  }
}

async function arrivalsOf({ arrivals, rate, trace }: Values): Promise<Arrivals> {
  if (trace !== undefined) {
    const lines = (await readFile(trace, "utf8")).split(/\r?\n/).filter((line) => line.trim() !== "");
    return traceArrivals(lines.map((line) => numberOf("trace", line, Number.NEGATIVE_INFINITY)));
  }
  const ratePerSecond = numberOf("rate", rate);
  switch (arrivals) {
    case "poisson":
      return poissonArrivals(ratePerSecond);
    case "constant":
      return constantArrivals(ratePerSecond);
    case "bursty":
      return burstyArrivals({ ratePerSecond, burstPerSecond: ratePerSecond * 5, burstMs: 2000, quietMs: 8000 });
    default:
      throw new UsageError(`--arrivals is poisson, constant or bursty, not "${arrivals}".`);
  }
}

function headersOf({ header = [] }: Values, hasBody: boolean): Readonly<Record<string, string>> {
  const pairs = header.map((line): readonly [string, string] => {
    const colon = line.indexOf(":");
    if (colon < 1) throw new UsageError(`--header "${line}" has no name and value with a colon between.`);
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { ...(hasBody ? { "content-type": "application/json" } : {}), ...Object.fromEntries(pairs) };
}

/** @param above What it must be more than; a `least` of 0 may be 0 itself. */
function numberOf(name: string, text: string, least?: number): number {
  const value = Number(text);
  const fits = least === undefined ? value > 0 : value >= least;
  if (text.trim() === "" || !Number.isFinite(value) || !fits)
    throw new UsageError(`--${name} is "${text}", not a number ${least === undefined ? "above 0" : "that fits"}.`);
  return value;
}

const milliseconds = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`;

function textOf(report: LoadReport): string {
  const line = (name: string, { p50, p90, p99, p999, max }: LatencySummary): string =>
    `${name.padEnd(22)} p50 ${milliseconds(p50)}, p90 ${milliseconds(p90)}, p99 ${milliseconds(p99)}, p99.9 ${milliseconds(p999)}, longest ${milliseconds(max)}`;
  const { arrivals, durationMs, due, answered, failed, failures, offeredPerSecond, answeredPerSecond, lagMs } = report;
  const counted = Object.entries(failures).map(([name, count]) => `${name} ${count}`);
  return [
    `${arrivals} for ${durationMs / 1000} s: ${due} due (${offeredPerSecond.toFixed(1)}/s), ${answered} answered (${answeredPerSecond.toFixed(1)}/s), ${failed} failed`,
    ...(counted.length === 0 ? [] : [`failures: ${counted.join(", ")}`]),
    line("latency, since due", report.latencyMs),
    line("service, since sent", report.serviceMs),
    ...(lagMs.p99 > 10
      ? [`The generator itself was late: p99 ${milliseconds(lagMs.p99)}. Use another machine, or a lower rate.`]
      : []),
  ].join("\n");
}
