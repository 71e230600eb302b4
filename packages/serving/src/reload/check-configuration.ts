import { catalogOf } from "../catalog/create-model-catalog.ts";
import type { ServingProblem } from "../errors.ts";
import type { ServerParts } from "./configuration.ts";
import { pointer } from "./differences.ts";

/** What a configuration may rest on. */
export interface ConfigurationSite {
  readonly parts: ServerParts;
  /** Whether the server has `features` and `featuresAs`, and `alerts`. */
  readonly readsFeaturesAs: boolean;
  readonly hasAlerts: boolean;
}

const noSite: ConfigurationSite = { parts: {}, readsFeaturesAs: false, hasAlerts: false };

type Members = Readonly<Record<string, unknown>>;
type Told = (path: string, problem: string) => void;
type Check = (value: unknown, path: string, told: Told, site: ConfigurationSite) => void;

const isObject = (value: unknown): value is Members =>
  value !== null && typeof value === "object" && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
/** A value as a message names it. */
const said = (value: unknown): string => (JSON.stringify(value) ?? typeof value).slice(0, 80);

const text: Check = (value, path, told) => {
  if (!isText(value)) told(path, `is ${said(value)}, and must be a text`);
};
const oneOf =
  (...words: readonly string[]): Check =>
  (value, path, told) => {
    if (!words.includes(value as string)) told(path, `is ${said(value)}, and must be one of ${words.join(", ")}`);
  };
const atLeastOne: Check = (value, path, told) => {
  if (typeof value !== "number" || !(value >= 1)) told(path, `is ${said(value)}, and must be a number of at least 1`);
};
const positive: Check = (value, path, told) => {
  if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value))
    told(path, `is ${said(value)}, and must be a finite number over 0`);
};

const variants: Check = (value, path, told) => {
  if (!isObject(value)) return told(path, "must be an object of variants by their names");
  for (const [name, variant] of Object.entries(value)) {
    const at = path + pointer(name);
    if (name === "candidate") told(at, "is the name of deployments");
    if (!isObject(variant)) {
      told(at, "must be { model, weight }");
      continue;
    }
    const { model, weight, ...more } = variant;
    if (!isText(model)) told(`${at}/model`, `is ${said(model)}, and must name a model`);
    if (typeof weight !== "number" || !(weight >= 0) || !Number.isFinite(weight))
      told(`${at}/weight`, `is ${said(weight)}, and must be a finite number of at least 0`);
    for (const other of Object.keys(more)) told(at + pointer(other), "is not known");
  }
};

const admission: Check = (value, path, told) => {
  if (!isObject(value)) return told(path, "must be an object");
  const { concurrency, maxQueue, priorities, defaultPriority, tenantWeights, ...more } = value;
  if (isObject(concurrency)) oneOf("aimd", "gradient")(concurrency["type"], `${path}/concurrency/type`, told, noSite);
  else if (concurrency !== undefined) atLeastOne(concurrency, `${path}/concurrency`, told, noSite);
  if (maxQueue !== undefined && !(typeof maxQueue === "number" && maxQueue >= 0))
    told(`${path}/maxQueue`, `is ${said(maxQueue)}, and must be a number of at least 0`);
  if (priorities !== undefined && !(Array.isArray(priorities) && priorities.length > 0 && priorities.every(isText)))
    told(`${path}/priorities`, "must be a list of names");
  if (defaultPriority !== undefined) text(defaultPriority, `${path}/defaultPriority`, told, noSite);
  if (tenantWeights !== undefined && !isObject(tenantWeights)) told(`${path}/tenantWeights`, "must be an object");
  for (const [tenant, weight] of Object.entries(isObject(tenantWeights) ? tenantWeights : {}))
    positive(weight, `${path}/tenantWeights${pointer(tenant)}`, told, noSite);
  for (const other of Object.keys(more)) told(path + pointer(other), "is not known");
};

function part(value: Members, path: string, told: Told, known: Readonly<Record<string, unknown>> = {}): void {
  const { part: name, options, ...more } = value;
  if (!isText(name) || !Object.hasOwn(known, name))
    told(path, `names the part ${said(name)}, and there are ${Object.keys(known).join(", ") || "none"}`);
  if (options !== undefined && !isObject(options)) told(`${path}/options`, "must be an object");
  for (const other of Object.keys(more)) told(path + pointer(other), "is not known");
}

const models: Check = (value, path, told, { parts }) => {
  if (isObject(value) && "part" in value) return part(value, path, told, parts.catalogs);
  try {
    catalogOf(value as Parameters<typeof catalogOf>[0]);
  } catch {
    told(path, "is neither { part } nor what createModelCatalog made");
  }
};

const stages: Check = (value, path, told, { parts }) => {
  if (!Array.isArray(value)) return told(path, "must be a list of stages");
  for (const [at, stage] of value.entries()) {
    if (isObject(stage) && "part" in stage) part(stage, `${path}/${at}`, told, parts.stages);
    else if (!isObject(stage) || !isText(stage["name"])) told(`${path}/${at}`, "is neither { part } nor a stage");
    else if (value.indexOf(stage) !== at) told(`${path}/${at}`, "is a stage that stands there already");
  }
};

const readFeaturesAs: Check = (value, path, told, { readsFeaturesAs }) => {
  if (value !== "caller" && !(isObject(value) && isText(value["principal"])))
    told(path, 'is neither { principal: text } nor "caller"');
  if (!readsFeaturesAs) told(path, "needs a server with `features` and `featuresAs`");
};

const rollbackOn: Check = (value, path, told, { hasAlerts }) => {
  if (!Array.isArray(value) || !value.every(isText)) return told(path, "must be a list of names of alerts");
  if (value.length > 0 && !hasAlerts) told(path, "needs a server with `alerts`");
};

const checks: Readonly<Record<string, Check>> = {
  variants,
  models,
  featureService: text,
  readFeaturesAs,
  onFeatureMismatch: oneOf("refuse", "warn"),
  maxBatchRows: atLeastOne,
  maxQueueRows: atLeastOne,
  latencyObjectiveMs: positive,
  admission,
  unknownFields: oneOf("refuse", "ignore"),
  rollbackOn,
  stages,
};

function checkEndpoint(value: unknown, path: string, told: Told, site: ConfigurationSite): void {
  if (!isObject(value)) return told(path, "must be an object");
  for (const [name, member] of Object.entries(value)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) told(path + pointer(name), "is not known");
    else if (member !== undefined) check(member, path + pointer(name), told, site);
  }
  if (!isObject(value["variants"])) {
    if (value["variants"] === undefined) told(`${path}/variants`, "is missing");
    return;
  }
  const list = Object.values(value["variants"]);
  if (value["models"] !== undefined && list.length === 0) return;
  if (!list.some((variant) => isObject(variant) && Number(variant["weight"]) > 0))
    told(`${path}/variants`, "has no variant with a weight over 0");
}

/** Everything that is wrong with a configuration, as far as can be told without loading a model. */
export function problemsOf(configuration: unknown, site: ConfigurationSite): readonly ServingProblem[] {
  const problems: ServingProblem[] = [];
  const told: Told = (path, problem) => void problems.push({ path, problem });
  if (!isObject(configuration)) return [{ path: "", problem: "the configuration is no object" }];
  const { endpoints, defaultEndpoint, ...more } = configuration;
  for (const other of Object.keys(more)) told(pointer(other), "is not known");
  if (!isObject(endpoints) || Object.keys(endpoints).length === 0)
    return [...problems, { path: "/endpoints", problem: "must be an object with at least one endpoint" }];
  for (const [name, endpoint] of Object.entries(endpoints))
    checkEndpoint(endpoint, `/endpoints${pointer(name)}`, told, site);
  if (defaultEndpoint !== undefined && !(isText(defaultEndpoint) && Object.hasOwn(endpoints, defaultEndpoint)))
    told("/defaultEndpoint", `is ${said(defaultEndpoint)}, and must be one of ${Object.keys(endpoints).join(", ")}`);
  return problems;
}
