import { parseArgs } from "node:util";
import { type CallOptions, isMillwrightError } from "@millwright/contracts";
import { denseRuntime, linearRuntime, openDirectoryModelSource, treeRuntime } from "@millwright/model";
import type { TransformOptions } from "./options.ts";
import type { TransformStatus } from "./progress.ts";
import { startTransform } from "./start-transform.ts";
import { createHttpTarget } from "./target.ts";

/** The command line is not understood; its message tells why. */
export class UsageError extends Error {}

export const usage = `millwright-transform: batch transform of files, exactly once

  millwright-transform --models FOLDER --model late@champion --input FILE|FOLDER|PREFIX --output FOLDER
  millwright-transform --url http://127.0.0.1:8080           --input …                  --output …

  --models FOLDER, --model REF   a model of a folder of packages (dense, trees, linear), in this process
  --url URL                      any server of SageMaker's container contract, at the address before /invocations
  --content-type T, --accept T   default: by the ending of the first file; as the content type
  --split-type T                 None, Line or RecordIO (default: Line for CSV and JSON lines)
  --batch-strategy S             SingleRecord or MultiRecord (default)
  --max-payload-mb N             default: 6
  --concurrency N                requests under way at once (default: 1)
  --csv-header                   the first line of each file names the columns
  --input-filter P, --join, --output-filter P
  --on-record-error P            fail (default), skip, or value:TEXT
  --max-error-rate N             from 0 to 1
  --max-rate N                   records a second
  --name NAME                    default: transform; started again with the same, it goes on
  --restart                      forgets what an unfinished job of the name has done
  --json                         the manifest, for programs

  Interrupted, it writes down what is under way. Exits with 0 when all is done, 1 where something failed, 2 where the command line is not understood,
  75 where it stopped and goes on when it is started again.`;

const options = {
  accept: { type: "string" },
  "batch-strategy": { type: "string" },
  concurrency: { type: "string" },
  "content-type": { type: "string" },
  "csv-header": { type: "boolean" },
  help: { type: "boolean", short: "h" },
  input: { type: "string" },
  "input-filter": { type: "string" },
  join: { type: "boolean" },
  json: { type: "boolean" },
  "max-error-rate": { type: "string" },
  "max-payload-mb": { type: "string" },
  "max-rate": { type: "string" },
  model: { type: "string" },
  models: { type: "string" },
  name: { type: "string" },
  "on-record-error": { type: "string" },
  output: { type: "string" },
  "output-filter": { type: "string" },
  restart: { type: "boolean" },
  "split-type": { type: "string" },
  url: { type: "string" },
} as const;

type Values = ReturnType<typeof parse>["values"];

interface Terminal extends CallOptions {
  print(text: string): void;
  /** Progress, for whoever watches. */
  note(text: string): void;
}

/** Of sysexits.h: a temporary failure, to be tried again. */
const tryAgain = 75;

/** Runs a command line; when the signal aborts, the job stops in good order. @returns the exit code. Throws a `UsageError`, and what `startTransform` throws. */
export async function transformCommand(args: readonly string[], { signal, print, note }: Terminal): Promise<number> {
  const { values } = parse(args);
  if (values.help === true || args.length === 0) {
    print(usage);
    return 0;
  }
  const onProgress = (status: TransformStatus): void => note(lineOf(status));
  const { state, reason, manifest, status } = await startTransform({
    ...optionsOf(values),
    interruption: signal,
    onProgress,
  }).result();
  if (state === "stopped") {
    note("");
    print(`Stopped: ${reason ?? "it was told to"}. Start it again to go on.`);
    return tryAgain;
  }
  const { records, failed, objects, slis } = status;
  const text = `${records} records of ${objects} objects, ${failed} failed, ${Math.round(slis.recordsPerSecond)} a second; outputs ${manifest?.outputDigest ?? ""}`;
  print(values.json === true ? JSON.stringify(manifest) : text);
  return 0;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function lineOf({ records, failed, bytes, totalBytes, etaMs }: TransformStatus): string {
  const share = totalBytes === undefined || totalBytes === 0 ? "" : `${Math.floor((bytes / totalBytes) * 100)} %, `;
  const left = etaMs === undefined ? "" : `, ${Math.ceil(etaMs / 1000)} s left`;
  return `${share}${records} records, ${failed} failed${left}`;
}

function optionsOf(values: Values): TransformOptions {
  const { input, output, models, model, url } = values;
  if (input === undefined || output === undefined) throw new UsageError("Give --input and --output.");
  if ((url === undefined) === (models === undefined || model === undefined))
    throw new UsageError("Give --models and --model, or --url.");
  if (url !== undefined && !URL.canParse(url)) throw new UsageError(`"${url}" is not a URL.`);
  const runtimes = [denseRuntime(), treeRuntime(), linearRuntime()];
  return {
    ...(url === undefined
      ? { model: { source: openDirectoryModelSource(models ?? ""), runtimes, model: model ?? "" } }
      : { target: createHttpTarget(url) }),
    input,
    output,
    name: values.name,
    restart: values.restart,
    contentType: values["content-type"],
    accept: values.accept,
    splitType: oneOf("split-type", values["split-type"], ["None", "Line", "RecordIO"]),
    batchStrategy: oneOf("batch-strategy", values["batch-strategy"], ["SingleRecord", "MultiRecord"]),
    maxPayloadInMB: numberOf("max-payload-mb", values["max-payload-mb"]),
    maxConcurrentTransforms: numberOf("concurrency", values.concurrency),
    csvHeader: values["csv-header"],
    inputFilter: values["input-filter"],
    joinSource: values.join === true ? "Input" : "None",
    outputFilter: values["output-filter"],
    onRecordError: policyOf(values["on-record-error"]),
    maxErrorRate: numberOf("max-error-rate", values["max-error-rate"]),
    maxRecordsPerSecond: numberOf("max-rate", values["max-rate"]),
  };
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new UsageError(`--${name} takes a number, not "${text}".`);
  return value;
}

function oneOf<Choice extends string>(
  name: string,
  text: string | undefined,
  choices: readonly Choice[],
): Choice | undefined {
  const found = choices.find((each) => each === text);
  if (text !== undefined && found === undefined)
    throw new UsageError(`--${name} is one of ${choices.join(", ")}, not "${text}".`);
  return found;
}

function policyOf(text: string | undefined): TransformOptions["onRecordError"] {
  if (text === undefined || text === "fail" || text === "skip") return text;
  if (text.startsWith("value:")) return { value: text.slice("value:".length) };
  throw new UsageError(`--on-record-error is fail, skip or value:TEXT, not "${text}".`);
}

/** One line, whatever was thrown; `undefined` for what is no failure of a job, but of this program. */
export function failureText(error: unknown): string | undefined {
  if (isMillwrightError(error)) return `✗ ${error.code}: ${error.message.replaceAll(/\s+/g, " ")}`;
  return error instanceof Error && "code" in error && "syscall" in error ? `✗ ${error.message}` : undefined;
}
