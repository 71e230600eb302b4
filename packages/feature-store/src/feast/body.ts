import { isRecord, type JsonRecord, textOf } from "../http/message.ts";
import { parsePythonJson } from "./python-json.ts";
import { type ShapeIssue, shapeRefusal } from "./refusal.ts";

/** Reads the members of a body and notes what is wrong with each; `check` throws all of it at once. */
export interface FeastBody {
  text(name: string): string;
  optionalText(name: string): string | undefined;
  flag(name: string): boolean;
  /** Undefined where it is null or not there. */
  texts(name: string): readonly string[] | undefined;
  /** Lists by name. */
  lists(name: string): Readonly<Record<string, readonly unknown[]>>;
  check(): void;
}

const MOST_ISSUES = 20;
const short = <Value>(value: Value): Value | string => (typeof value === "string" ? value.slice(0, 200) : value);

/** What was sent, as it is told back: never the whole of a long or deep value. */
const echoed = (input: unknown): unknown =>
  input !== null && typeof input === "object" ? (Array.isArray(input) ? [] : {}) : short(input);

/** The JSON object in a body, whatever its content type. Throws a refusal with status 422. */
export function feastBody(bytes: Uint8Array): FeastBody {
  const value = objectOf(bytes);
  const issues: ShapeIssue[] = [];
  const note = (type: string, msg: string, input: unknown, ...at: readonly (string | number)[]): void => {
    if (issues.length < MOST_ISSUES) issues.push({ type, loc: ["body", ...at.map(short)], msg, input: echoed(input) });
  };
  const member = (name: string): unknown => (Object.hasOwn(value, name) ? value[name] : undefined);
  const optionalText = (name: string): string | undefined => {
    const given = member(name) ?? undefined;
    if (given === undefined || typeof given === "string") return given;
    note("string_type", "Input should be a valid string", given, name);
    return undefined;
  };
  return {
    optionalText,
    text(name) {
      if (member(name) === undefined) note("missing", "Field required", {}, name);
      else if (member(name) === null) note("string_type", "Input should be a valid string", null, name);
      return optionalText(name) ?? "";
    },
    flag(name) {
      const given = member(name) ?? false;
      if (typeof given === "boolean") return given;
      note("bool_parsing", "Input should be a valid boolean", given, name);
      return false;
    },
    texts(name) {
      const given = member(name) ?? undefined;
      if (given === undefined) return undefined;
      if (!Array.isArray(given)) {
        note("list_type", "Input should be a valid list", given, name);
        return undefined;
      }
      const items = given as readonly unknown[];
      items.forEach((item, at) => {
        if (typeof item !== "string") note("string_type", "Input should be a valid string", item, name, at);
      });
      return items as readonly string[];
    },
    lists(name) {
      const given = member(name);
      if (given === undefined) note("missing", "Field required", {}, name);
      else if (!isRecord(given)) note("dict_type", "Input should be a valid dictionary", given, name);
      if (!isRecord(given)) return {};
      for (const [key, list] of Object.entries(given)) {
        if (!Array.isArray(list)) note("list_type", "Input should be a valid list", list, name, key);
      }
      return given as Readonly<Record<string, readonly unknown[]>>;
    },
    check() {
      if (issues.length > 0) throw shapeRefusal(issues);
    },
  };
}

function objectOf(bytes: Uint8Array): JsonRecord {
  let value: unknown;
  try {
    value = parsePythonJson(textOf(bytes));
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw shapeRefusal([{ type: "json_invalid", loc: ["body", 0], msg: `JSON decode error: ${problem}`, input: {} }]);
  }
  if (isRecord(value)) return value;
  const msg = "Input should be a valid dictionary or object to extract fields from";
  throw shapeRefusal([{ type: "model_attributes_type", loc: ["body"], msg, input: null }]);
}
