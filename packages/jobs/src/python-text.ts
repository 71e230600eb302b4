import type { JsonValue } from "@millwright/contracts";

/** How Python writes a float (`float.__repr__`): the shortest digits that give it back, with an exponent below 1e-4 and from 1e16. */
function floatText(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [digits, exponent] = value.toExponential().split("e") as [string, string];
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

const numberText = (value: number): string =>
  Number.isInteger(value) && Math.abs(value) < 1e21 ? String(value) : floatText(value);

const byName = (object: object): readonly (readonly [string, JsonValue])[] =>
  Object.entries(object).toSorted(([a], [b]) => (a < b ? -1 : 1)) as [string, JsonValue][];

/** As `json.dumps(value, sort_keys=True, separators=(",", ":"))` writes it: ASCII alone, names in order. */
export function pythonJson(value: JsonValue): string {
  if (typeof value === "number") return numberText(value);
  if (typeof value === "string")
    return JSON.stringify(value).replaceAll(
      /[\u0080-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(",")}]`;
  return `{${byName(value)
    .map(([name, each]) => `${pythonJson(name)}:${pythonJson(each)}`)
    .join(",")}}`;
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** As `repr(value)` writes it. */
function representation(value: JsonValue): string {
  if (typeof value === "string") {
    const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
    const escaped = value.replaceAll(/[\\\n\r\t]/g, (character) => escapes[character] as string);
    return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`;
  }
  if (Array.isArray(value)) return `[${value.map(representation).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value as Readonly<Record<string, JsonValue>>);
    return `{${entries.map(([name, each]) => `${representation(name)}: ${representation(each)}`).join(", ")}}`;
  }
  return text(value);
}

/** As `str(value)` writes it. */
function text(value: JsonValue): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return numberText(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  return value === null ? "None" : representation(value);
}

/** As sagemaker-training's `mapping.to_cmd_args` writes a value. */
function argumentText(value: JsonValue): string {
  if (value === null) return "";
  if (typeof value !== "object" || Array.isArray(value)) return text(value);
  return byName(value)
    .map(([name, each]) => `${name}=${text(each)}`)
    .join(",");
}

/** What a script written for SageMaker sees of one hyperparameter. */
export interface PythonForms {
  /** After its name on the command line. */
  readonly argument: string;
  /** In `SM_HPS`. */
  readonly json: string;
  /** In `SM_HP_<NAME>`. */
  readonly variable: string;
}

const floats: Readonly<Record<string, string>> = { NaN: "nan", Infinity: "inf", "-Infinity": "-inf" };

/** The forms of a hyperparameter by its text in `hyperparameters.json`, which is taken as JSON where it is JSON. */
export function pythonFormsOf(written: string): PythonForms {
  const trimmed = written.trim();
  const special = Object.hasOwn(floats, trimmed) ? floats[trimmed] : undefined;
  if (special !== undefined) return { argument: special, json: trimmed, variable: trimmed };
  if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/.test(trimmed)) {
    const whole = /^-?\d+$/.test(trimmed);
    const number = whole ? trimmed.replace(/^-0$/, "0") : floatText(Number(trimmed));
    return { argument: number, json: number, variable: number };
  }
  let value: JsonValue;
  try {
    value = JSON.parse(written) as JsonValue;
  } catch {
    value = written;
  }
  const json = pythonJson(value);
  const variable = value === null ? "" : typeof value === "string" ? value : json;
  return { argument: argumentText(value), json, variable };
}
