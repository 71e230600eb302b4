import type { JsonValue } from "@millwright/contracts";

/** How much harm a model could do, as SageMaker rates it. */
export type RiskRating = "High" | "Medium" | "Low" | "Unknown";

export interface CardParameter {
  readonly name: string;
  readonly value: string;
}

export interface CardMetric {
  readonly name: string;
  readonly value: number;
  readonly notes?: string | undefined;
}

export interface CardEvaluation {
  readonly name: string;
  readonly evaluation_observation?: string | undefined;
  readonly evaluation_job_arn?: string | undefined;
  readonly datasets?: readonly string[] | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly metric_groups?:
    | readonly {
        readonly name: string;
        readonly metric_data: readonly {
          readonly name: string;
          /** `number`, `string`, `boolean`, `linear_graph`, `bar_chart` or `matrix`. */
          readonly type: string;
          readonly value: JsonValue;
          readonly notes?: string | undefined;
          readonly x_axis_name?: string | readonly string[] | undefined;
          readonly y_axis_name?: string | readonly string[] | undefined;
        }[];
      }[]
    | undefined;
}

/**
 * What a model card says, with the names and limits of SageMaker's model card schema 0.1.0, so that its JSON goes there and back.
 * @see https://docs.aws.amazon.com/sagemaker/latest/dg/model-cards.html
 */
export interface ModelCardContent {
  readonly model_overview?:
    | {
        readonly model_id?: string | undefined;
        readonly model_name?: string | undefined;
        readonly model_description?: string | undefined;
        readonly model_version?: number | undefined;
        readonly problem_type?: string | undefined;
        readonly algorithm_type?: string | undefined;
        readonly model_creator?: string | undefined;
        readonly model_owner?: string | undefined;
        readonly model_artifact?: readonly string[] | undefined;
        readonly inference_environment?: { readonly container_image?: readonly string[] | undefined } | undefined;
      }
    | undefined;
  readonly intended_uses?:
    | {
        readonly purpose_of_model?: string | undefined;
        readonly intended_uses?: string | undefined;
        readonly factors_affecting_model_efficiency?: string | undefined;
        readonly risk_rating?: RiskRating | undefined;
        readonly explanations_for_risk_rating?: string | undefined;
      }
    | undefined;
  readonly business_details?:
    | {
        readonly business_problem?: string | undefined;
        readonly business_stakeholders?: string | undefined;
        readonly line_of_business?: string | undefined;
      }
    | undefined;
  readonly training_details?:
    | {
        readonly objective_function?:
          | {
              readonly function?:
                | {
                    readonly function?: "Maximize" | "Minimize" | undefined;
                    readonly facet?: string | undefined;
                    readonly condition?: string | undefined;
                  }
                | undefined;
              readonly notes?: string | undefined;
            }
          | undefined;
        readonly training_observations?: string | undefined;
        readonly training_job_details?:
          | {
              readonly training_arn?: string | undefined;
              readonly training_datasets?: readonly string[] | undefined;
              readonly training_environment?: { readonly container_image?: readonly string[] | undefined } | undefined;
              readonly training_metrics?: readonly CardMetric[] | undefined;
              readonly user_provided_training_metrics?: readonly CardMetric[] | undefined;
              readonly hyper_parameters?: readonly CardParameter[] | undefined;
              readonly user_provided_hyper_parameters?: readonly CardParameter[] | undefined;
            }
          | undefined;
      }
    | undefined;
  readonly evaluation_details?: readonly CardEvaluation[] | undefined;
  readonly additional_information?:
    | {
        readonly ethical_considerations?: string | undefined;
        readonly caveats_and_recommendations?: string | undefined;
        readonly custom_details?: Readonly<Record<string, string>> | undefined;
      }
    | undefined;
}

/** What people change of a card: what is given replaces what is there, a list as a whole; `null` takes away what they wrote before. */
export type CardChanges = {
  readonly [Section in keyof ModelCardContent]?: CardChange<NonNullable<ModelCardContent[Section]>> | null | undefined;
};

type CardChange<Value> = Value extends readonly unknown[] | string | number | boolean
  ? Value
  : { readonly [Field in keyof Value]?: CardChange<NonNullable<Value[Field]>> | null | undefined };

type Tree = Readonly<Record<string, JsonValue | undefined>>;

/** `changes` over `base`: objects field by field, anything else as a whole. A `null` of the changes removes. */
export function mergeContent(base: Tree, changes: Tree): Record<string, JsonValue> {
  const merged = new Map<string, JsonValue>();
  for (const [name, value] of Object.entries(base)) if (value !== undefined) merged.set(name, value);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) continue;
    const before = merged.get(name);
    if (value === null) merged.delete(name);
    else if (isTree(value)) merged.set(name, mergeContent(isTree(before) ? before : {}, value));
    else merged.set(name, value);
  }
  return Object.fromEntries(merged);
}

/** As `mergeContent`, and a `null` stays: edits of edits. */
export function mergeEdits(base: Tree, changes: Tree): Record<string, JsonValue> {
  const merged = new Map<string, JsonValue>();
  for (const [name, value] of [...Object.entries(base), ...Object.entries(changes)]) {
    if (value === undefined) continue;
    const before = merged.get(name);
    merged.set(name, isTree(value) && isTree(before) ? mergeEdits(before, value) : value);
  }
  return Object.fromEntries(merged);
}

export const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value);
