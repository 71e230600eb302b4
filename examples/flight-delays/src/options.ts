import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Effort } from "./training.ts";

export interface Options {
  /** Flights to work with; undefined: all three million. */
  readonly rows: number | undefined;
  readonly serve: boolean;
  readonly port: number;
  readonly output: string;
  readonly effort: Effort;
}

export const usage = `npm start -- [options]
  --rows N      work with about N of the 3,000,000 flights, spread evenly (at least 20,000)
  --trials N    hyperparameter settings to try, a third of them of trees (2 to 100; default 12)
  --serve       keep the endpoint up at the end, or at once when a run is finished already
  --port N      port of --serve (default 8080; 0: any free one)
  --output DIR  where everything is kept (default: examples/flight-delays/output)
  --help        this text`;

/** Reads the command line. @returns what is wrong with it as a string. */
export function readOptions(args: readonly string[]): Options | string {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        rows: { type: "string" },
        trials: { type: "string", default: "12" },
        serve: { type: "boolean", default: false },
        port: { type: "string", default: "8080" },
        output: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    return `${(error as Error).message}\n${usage}`;
  }
  if (values.help) return usage;
  const rows = values.rows === undefined ? undefined : Number(values.rows.replaceAll(/[_,]/g, ""));
  if (rows !== undefined && !(Number.isInteger(rows) && rows >= 20_000)) {
    return `--rows ${values.rows} is not a whole number from 20,000.\n${usage}`;
  }
  const trials = Number(values.trials);
  if (!(Number.isInteger(trials) && trials >= 2 && trials <= 100)) {
    return `--trials ${values.trials} is not a whole number from 2 to 100.\n${usage}`;
  }
  const port = Number(values.port);
  if (!(Number.isInteger(port) && port >= 0 && port < 65_536)) return `--port ${values.port} is not a port.\n${usage}`;
  const output =
    values.output === undefined ? fileURLToPath(new URL("../output", import.meta.url)) : resolve(values.output);
  return { rows, serve: values.serve, port, output, effort: effortFor(Math.min(rows ?? 3_000_000, 3_000_000), trials) };
}

function effortFor(rows: number, trials: number): Effort {
  const train = Math.floor(rows * 0.6);
  return {
    trials,
    trialRows: Math.min(100_000, Math.floor(train / 2)),
    trialEpochs: 3,
    trialTrees: 90,
    finalRows: Math.min(500_000, train),
    finalEpochs: 3,
    finalTrees: 150,
  };
}
