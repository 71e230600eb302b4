import type { KeyValue } from "./fields.ts";
import { invalid, shown } from "./refusal.ts";

const keyCharacters = /^[/\w.\- :]*$/;
const longestKey = 250;
/** MLflow cuts params at 6,000 characters and tags at 8,000; here nothing is lost. */
const longestValue = 100_000;

/** Throws a refusal unless `key` can name a metric, a param or a tag of a run. */
export function checkKey(what: string, key: string): void {
  if (key === "") throw invalid(`Missing value for required parameter 'key'. A ${what} name must be given.`);
  checkLength(`${what} name`, key, longestKey);
  if (!keyCharacters.test(key))
    throw invalid(
      `Invalid ${what} name: '${shown(key)}'. Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).`,
    );
  const segments = key.split("/");
  if (segments.some((segment) => segment === "" || segment === "." || segment === ".."))
    throw invalid(
      `Invalid ${what} name: '${shown(key)}'. Names may be treated as files in certain cases, and must not resolve to other names when treated as such.`,
    );
}

/** Throws a refusal for a text of more than `most` characters. */
export function checkLength(what: string, value: string, most: number): void {
  if (value.length > most)
    throw invalid(`${what} '${shown(value)}' had length ${value.length}, which exceeded length limit of ${most}.`);
}

export function checkTag({ key, value }: KeyValue): void {
  checkKey("tag", key);
  checkLength(`Tag value of "${key}"`, value, longestValue);
}

export function checkParam({ key, value }: KeyValue): void {
  checkKey("param", key);
  checkLength(`Param value of "${key}"`, value, longestValue);
}

export function checkRegistryTag({ key, value }: KeyValue): void {
  checkKey("tag", key);
  checkLength(`Tag value of "${key}"`, value, 100_000);
}

export function checkExperimentTag({ key, value }: KeyValue): void {
  checkKey("tag", key);
  checkLength(`Tag value of "${key}"`, value, 5000);
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for.
const unsuitable = /[\u0000-\u001f\u007f]/;

/** Throws a refusal unless the name can stand before `/` and `@` in `models:/name/1`. */
export function checkRegisteredName(name: string): void {
  if (name.trim() === "" || unsuitable.test(name) || /[/:@]/.test(name) || name === "." || name === "..")
    throw invalid(
      `Invalid name for a registered model: '${shown(name)}'. Names must not be empty, and must not contain '/', ':' or '@'.`,
    );
  checkLength("Registered model name", name, 256);
}

export function checkExperimentName(name: string): void {
  if (name.trim() === "" || unsuitable.test(name)) throw invalid(`Invalid experiment name: '${shown(name)}'`);
  checkLength("Experiment name", name, 500);
}

/** Throws a refusal unless the alias may be set. */
export function checkAliasName(alias: string): void {
  checkLength("Registered model alias name", alias, 255);
  if (!/^[\w-]+$/.test(alias))
    throw invalid(
      `Invalid alias name: '${shown(alias)}'. Names may only contain alphanumerics, underscores (_) and dashes (-).`,
    );
  if (/^v\d+$/i.test(alias)) throw invalid(`Version alias name '${alias}' is reserved.`);
  if (alias.toLowerCase() === "latest") throw invalid("'latest' alias name (case insensitive) is reserved.");
}

/** Of a list: none less than 1, none more than `most`. */
export function pageSize(given: number | undefined, byDefault: number, most: number): number {
  const size = given ?? byDefault;
  if (size < 1 || size > most)
    throw invalid(`Invalid value ${size} for parameter 'max_results' supplied: it must be from 1 to ${most}.`);
  return size;
}

/** Each key once, with the value given last. */
export const lastOfEach = (pairs: readonly KeyValue[]): readonly KeyValue[] => [
  ...new Map(pairs.map((pair) => [pair.key, pair])).values(),
];
