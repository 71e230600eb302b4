import { isTree } from "./card-content.ts";

/** What a part of a card may be. */
type Shape =
  | { readonly kind: "text"; readonly least: number; readonly most: number }
  | { readonly kind: "number" }
  | { readonly kind: "choice"; readonly of: readonly string[] }
  | { readonly kind: "list"; readonly of: Shape; readonly most: number }
  | { readonly kind: "map"; readonly of: Shape }
  | { readonly kind: "metric" }
  | {
      readonly kind: "object";
      readonly fields: Readonly<Record<string, Shape>>;
      readonly required: readonly string[];
    };

const text = (most: number, least = 0): Shape => ({ kind: "text", least, most });
const number: Shape = { kind: "number" };
const list = (of: Shape, most: number): Shape => ({ kind: "list", of, most });
const object = (fields: Readonly<Record<string, Shape>>, required: readonly string[] = []): Shape => ({
  kind: "object",
  fields,
  required,
});

const line = text(1024);
const paragraph = text(2048);
const environment = object({ container_image: list(line, 15) });
const trainingMetric = object({ name: text(255, 1), notes: line, value: number }, ["name", "value"]);
const parameter = object({ name: text(255, 1), value: text(255, 1) }, ["name", "value"]);

const evaluation = object(
  {
    name: text(63, 1),
    evaluation_observation: text(2096),
    evaluation_job_arn: text(256),
    datasets: list(line, 10),
    metadata: { kind: "map", of: line },
    metric_groups: list(
      object({ name: text(63, 1), metric_data: list({ kind: "metric" }, Infinity) }, ["name", "metric_data"]),
      Infinity,
    ),
  },
  ["name"],
);

/** SageMaker's model card schema 0.1.0. */
const content = object({
  model_overview: object({
    model_id: line,
    model_name: line,
    model_description: line,
    model_version: number,
    problem_type: line,
    algorithm_type: line,
    model_creator: line,
    model_owner: line,
    model_artifact: list(line, 15),
    inference_environment: environment,
  }),
  intended_uses: object({
    purpose_of_model: paragraph,
    intended_uses: paragraph,
    factors_affecting_model_efficiency: paragraph,
    risk_rating: { kind: "choice", of: ["High", "Medium", "Low", "Unknown"] },
    explanations_for_risk_rating: paragraph,
  }),
  business_details: object({
    business_problem: paragraph,
    business_stakeholders: paragraph,
    line_of_business: paragraph,
  }),
  training_details: object({
    objective_function: object({
      function: object({
        function: { kind: "choice", of: ["Maximize", "Minimize"] },
        facet: text(63),
        condition: text(63),
      }),
      notes: line,
    }),
    training_observations: line,
    training_job_details: object({
      training_arn: line,
      training_datasets: list(line, 15),
      training_environment: environment,
      training_metrics: list(trainingMetric, 50),
      user_provided_training_metrics: list(trainingMetric, 50),
      hyper_parameters: list(parameter, 100),
      user_provided_hyper_parameters: list(parameter, 100),
    }),
  }),
  evaluation_details: list(evaluation, Infinity),
  additional_information: object({
    ethical_considerations: paragraph,
    caveats_and_recommendations: paragraph,
    custom_details: { kind: "map", of: line },
  }),
});

/** Of a card's JSON, as SageMaker's API has it. */
const mostCharacters = 100_000;

/** Why the content is not one of SageMaker's schema, as a clause that begins with the place; undefined where it is. */
export function contentProblem(value: unknown): string | undefined {
  const problem = problemOf(value, content, "content");
  if (problem !== undefined) return problem;
  const size = JSON.stringify(value).length;
  return size > mostCharacters ? `its JSON has ${size} characters of at most ${mostCharacters}` : undefined;
}

function problemOf(value: unknown, shape: Shape, place: string): string | undefined {
  if (shape.kind === "text") {
    if (typeof value !== "string") return `${place} is no text`;
    const isWithin = value.length >= shape.least && value.length <= shape.most;
    return isWithin ? undefined : `${place} has ${value.length} characters, not ${shape.least} to ${shape.most}`;
  }
  if (shape.kind === "number") return Number.isFinite(value) ? undefined : `${place} is no finite number`;
  if (shape.kind === "choice")
    return shape.of.includes(value as string) ? undefined : `${place} is none of ${shape.of.join(", ")}`;
  if (shape.kind === "metric") return metricProblem(value, place);
  if (shape.kind === "list") return listProblem(value, shape.of, shape.most, place);
  if (!isTree(value)) return `${place} is no object`;
  return shape.kind === "map"
    ? firstProblem(Object.entries(value).map(([name, each]) => problemOf(each, shape.of, `${place}.${name}`)))
    : objectProblem(value, shape, place);
}

function listProblem(value: unknown, of: Shape, most: number, place: string): string | undefined {
  if (!Array.isArray(value)) return `${place} is no list`;
  if (value.length > most) return `${place} has ${value.length} entries of at most ${most}`;
  return firstProblem(value.map((each: unknown, index) => problemOf(each, of, `${place}[${index}]`)));
}

function objectProblem(
  value: Readonly<Record<string, unknown>>,
  { fields, required }: Extract<Shape, { readonly kind: "object" }>,
  place: string,
): string | undefined {
  const lacking = required.find((name) => value[name] === undefined);
  if (lacking !== undefined) return `${place} has no ${lacking}`;
  for (const [name, each] of Object.entries(value)) {
    if (each === undefined) continue;
    if (!Object.hasOwn(fields, name)) return `${place} has a field "${name}" that the schema does not know`;
    const problem = problemOf(each, fields[name] as Shape, `${place}.${name}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const metricFields: readonly string[] = ["name", "type", "value", "notes", "x_axis_name", "y_axis_name"];

/** By the metric's `type`. */
const metricValues: Readonly<Record<string, readonly [told: string, is: (value: unknown) => boolean]>> = {
  number: ["a finite number", Number.isFinite],
  string: ["a text of at most 63 characters", (value) => typeof value === "string" && value.length <= 63],
  boolean: ["true or false", (value) => typeof value === "boolean"],
  linear_graph: ["a list of pairs of numbers", (value) => isListOf(value, (each) => isListOf(each, isNumber, 2, 2))],
  bar_chart: ["a list of numbers", (value) => isListOf(value, isNumber)],
  matrix: [
    "at most 20 lists of at most 20 numbers",
    (value) => isListOf(value, (each) => isListOf(each, isNumber, 1, 20), 1, 20),
  ],
};

function metricProblem(value: unknown, place: string): string | undefined {
  if (!isTree(value)) return `${place} is no object`;
  const unknown = Object.keys(value).find((name) => !metricFields.includes(name));
  if (unknown !== undefined) return `${place} has a field "${unknown}" that the schema does not know`;
  const { name, notes = "", type, x_axis_name: x = "", y_axis_name: y = "" } = value;
  const named = problemOf(name, text(255, 1), `${place}.name`) ?? problemOf(notes, line, `${place}.notes`);
  if (named !== undefined) return named;
  const known = Object.keys(metricValues);
  if (typeof type !== "string" || !known.includes(type)) return `${place}.type is none of ${known.join(", ")}`;
  const [told, is] = metricValues[type] as (typeof metricValues)[string];
  if (!is(value["value"])) return `${place}.value is not ${told}`;
  const axes = { x_axis_name: [x, ["bar_chart", "matrix"]], y_axis_name: [y, ["matrix"]] } as const;
  for (const [axis, [label, listed]] of Object.entries(axes)) {
    if (label === "") continue;
    const isList = (listed as readonly string[]).includes(type);
    const problem = problemOf(label, isList ? list(text(63), Infinity) : text(63), `${place}.${axis}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const isNumber = (value: unknown): boolean => Number.isFinite(value);

const isListOf = (value: unknown, is: (each: unknown) => boolean, least = 1, most = Infinity): boolean =>
  Array.isArray(value) && value.length >= least && value.length <= most && value.every(is);

const firstProblem = (problems: readonly (string | undefined)[]): string | undefined =>
  problems.find((each) => each !== undefined);
