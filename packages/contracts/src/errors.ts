import { MillwrightError } from "./error.ts";

/** Codes of contracts' own functions. */
export type ContractsErrorCode =
  | "CONTRACTS_EVENT_TIME_INVALID"
  | "CONTRACTS_FORMAT_UNSUPPORTED"
  | "CONTRACTS_SCHEMA_INVALID"
  | "CONTRACTS_VALUE_INVALID";

export class ContractsError extends MillwrightError<ContractsErrorCode> {
  override readonly name = "ContractsError";
}

/** A value as it stands in a message: JSON, cut short. */
function shown(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number" || value === undefined) return String(value);
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  let text: string;
  try {
    text = JSON.stringify(value);
  } catch {
    return "a value that JSON cannot carry";
  }
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

export const eventTimeInvalid = (value: unknown, problem: string): ContractsError =>
  new ContractsError("CONTRACTS_EVENT_TIME_INVALID", `${shown(value)} is no event time: ${problem}.`, {
    category: "data",
    remedy: "Write UTC as 2024-05-01T12:00:00Z or 2024-05-01T12:00:00.123Z, or as seconds since 1970.",
  });

export const formatUnsupported = (what: string, found: unknown, known: number): ContractsError =>
  new ContractsError(
    "CONTRACTS_FORMAT_UNSUPPORTED",
    `The ${what} has formatVersion ${shown(found)}; the newest known is ${known}.`,
    {
      category: "data",
      remedy: "Read it with a newer version of the package that wrote it.",
    },
  );

export const schemaInvalid = (field: string, problem: string): ContractsError =>
  new ContractsError("CONTRACTS_SCHEMA_INVALID", `The field "${field}" cannot be declared so: ${problem}.`, {
    category: "user",
    remedy: "Mend its declaration.",
  });

/** @param path Where in the value it is wrong: `$.files[0].path`; `$` is the whole value. */
export const valueInvalid = (what: string, path: string, value: unknown, problem: string): ContractsError =>
  new ContractsError("CONTRACTS_VALUE_INVALID", `The ${what} is invalid at ${path}: ${problem}, not ${shown(value)}.`, {
    category: "data",
    remedy: "Mend it where it was written.",
  });
