import type { Clock, ModelRuntime, Tensor, Tensors } from "@millwright/contracts";
import { type MemoryOptions, createAnswerMemory, questionOf } from "../engine/answer-memory.ts";
import type { Prediction } from "../engine/prediction.ts";
import type { RequestCall, SideModel, StageSite } from "../engine/stage.ts";
import { arrayTypes, sizeOf } from "../engine/tensor-rows.ts";

/** What answers where the endpoint cannot: another model, a rule, an earlier answer to the same question, or always the same. */
export type FallbackTarget =
  | {
      /** `late/3`: loaded when the server opens, so that it is there when it is needed. */
      readonly model: string;
      /** In provenance and metrics. Default: the reference. */
      readonly name?: string | undefined;
      /** What loads it. Default: the server's. */
      readonly runtimes?: readonly ModelRuntime[] | undefined;
    }
  | {
      readonly name: string;
      /** Answers by itself; `undefined` where the rule knows nothing about the request. */
      rule(call: RequestCall): Tensors | undefined | Promise<Tensors | undefined>;
    }
  | {
      /** Remembers the endpoint's good answers and gives the last one to an equal request. */
      readonly cached: MemoryOptions;
    }
  | {
      /** One row of outputs, repeated for each row that was asked. */
      readonly row: Tensors;
    };

/** A target that is ready to answer. */
export interface OpenTarget {
  readonly name: string;
  /** `undefined` where it knows no answer. */
  answer(call: RequestCall): Promise<Tensors | Prediction | undefined>;
  /** Told each good answer of the endpoint. */
  learn?(call: RequestCall, answer: Prediction): void;
  close?(): Promise<void>;
}

export async function openTarget(target: FallbackTarget, site: StageSite): Promise<OpenTarget> {
  if ("model" in target) return modelTarget(target, site);
  if ("rule" in target) return { name: target.name, answer: async (call) => target.rule(call) };
  if ("cached" in target) return cachedTarget(target.cached, site.clock);
  return { name: "row", answer: async ({ request }) => repeated(target.row, rowsAsked(request)) };
}

async function modelTarget(
  { model, name = model, runtimes }: Extract<FallbackTarget, { readonly model: string }>,
  site: StageSite,
): Promise<OpenTarget> {
  const side: SideModel = await site.openModel(model, { variant: name, runtimes });
  return {
    name,
    // The variant that was asked for is the one that cannot answer.
    answer: (call) => side.predict({ ...call, request: { ...call.request, variant: undefined } }),
    close: () => side.close(),
  };
}

function cachedTarget(
  { maxEntries = 10_000, maxAgeMs = 3_600_000 }: Extract<FallbackTarget, { readonly cached: unknown }>["cached"],
  clock: Clock,
): OpenTarget {
  const memory = createAnswerMemory<Prediction>(clock, { maxEntries, maxAgeMs });
  return {
    name: "cached",
    answer: async ({ request }) => memory.find(questionOf(request)),
    learn: ({ request }, answer) => memory.keep(questionOf(request), answer),
  };
}

function rowsAsked({ entities, instances, inputs }: RequestCall["request"]): number {
  return entities?.length ?? instances?.length ?? Object.values(inputs ?? {})[0]?.shape[0] ?? 1;
}

const repeated = (row: Tensors, rows: number): Tensors =>
  Object.fromEntries(Object.entries(row).map(([name, tensor]) => [name, repeatedTensor(tensor, rows)]));

function repeatedTensor({ dtype, shape, data }: Tensor, rows: number): Tensor {
  const width = sizeOf(shape.slice(1));
  const sized = [rows, ...shape.slice(1)];
  if (dtype === "string") {
    return { dtype, shape: sized, data: Array.from({ length: rows }, () => data.slice(0, width)).flat() };
  }
  const values = new arrayTypes[dtype](rows * width);
  for (let at = 0; at < values.length; at += 1) values[at] = data[at % width] as never;
  return { dtype, shape: sized, data: values } as Tensor;
}
