import type { Alert } from "@millwright/contracts";
import { silenceInvalid } from "../errors.ts";

/** What an alert is known by: `alertname`, `severity`, `subject`, and `endpoint`, `variant`, `model`, `version` where there is one. */
export type AlertLabels = Readonly<Record<string, string>>;

/** As Alertmanager has them: regular expressions match the whole value, and a label that is absent is empty. */
export interface LabelMatcher {
  readonly name: string;
  readonly value: string;
  /** Default: false. */
  readonly isRegex?: boolean | undefined;
  /** False: alerts that match are left out. Default: true. */
  readonly isEqual?: boolean | undefined;
}

/** Which alerts are meant: labels with their values, all of which an alert must have (`subject` takes in what is below it), or matchers. */
export type AlertMatch = AlertLabels | readonly LabelMatcher[];

/** The version is its number, or else the model's digest. */
export function alertLabels({ name, severity, subject, evidence }: Alert): AlertLabels {
  const [, endpoint, variant] = /^endpoint\/(.+?)(?:\/variant\/([^/]+).*)?$/.exec(subject) ?? [];
  const { model } = evidence ?? {};
  return {
    alertname: name,
    severity,
    subject,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(variant === undefined ? {} : { variant }),
    ...(model === undefined ? {} : { model: model.name, version: String(model.version ?? model.digest) }),
  };
}

/** A predicate over the labels of alerts. Throws `MONITOR_SILENCE_INVALID` for what would match everything, and for expressions that do not compile or may run for ever. */
export function matcherOf(match: AlertMatch): (labels: AlertLabels) => boolean {
  const given = Array.isArray(match)
    ? (match as readonly LabelMatcher[]).map(oneMatcher)
    : Object.entries(match as AlertLabels).map(([name, value]) => valueMatcher(name, value));
  if (given.length === 0) throw silenceInvalid("it names no label, so it would match every alert");
  return (labels) => given.every((matches) => matches(labels));
}

function valueMatcher(name: string, value: unknown): (labels: AlertLabels) => boolean {
  if (typeof value !== "string" || value === "")
    throw silenceInvalid(`the label "${name}" must have a text, not ${String(value)}`);
  if (name !== "subject") return (labels) => labels[name] === value;
  return ({ subject = "" }) => subject === value || subject.startsWith(`${value}/`);
}

function oneMatcher(matcher: LabelMatcher): (labels: AlertLabels) => boolean {
  const { name, value, isRegex = false, isEqual = true } = matcher ?? {};
  if (typeof name !== "string" || name === "" || typeof value !== "string")
    throw silenceInvalid("a matcher has a name and a value, both texts");
  const test = isRegex ? expressionOf(value) : undefined;
  return (labels) => {
    const found = labels[name] ?? "";
    return (test === undefined ? found === value : test.test(found)) === isEqual;
  };
}

const longestExpression = 1_000;

/** Alertmanager's expressions run in linear time; those that might not do so here are refused. */
function expressionOf(text: string): RegExp {
  const repeatsRepetition = /[+*}]\??\)[+*{]/.test(text) || /\\[1-9]/.test(text);
  if (text.length > longestExpression || repeatsRepetition)
    throw silenceInvalid(`the expression "${text.slice(0, 80)}" may take too long`);
  try {
    return new RegExp(`^(?:${text})$`, "su");
  } catch (error) {
    throw silenceInvalid(`"${text}" is no regular expression`, error);
  }
}
