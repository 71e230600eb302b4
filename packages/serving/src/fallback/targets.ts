import type { Clock, ModelRuntime, Tensor, Tensors } from "@millwright/contracts";
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
      readonly cached: { readonly maxEntries?: number | undefined; readonly maxAgeMs?: number | undefined };
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
  const kept = new Map<string, { readonly answer: Prediction; readonly sinceMs: number }>();
  return {
    name: "cached",
    async answer({ request }) {
      const found = kept.get(questionOf(request));
      if (found === undefined || clock.monotonicMs() - found.sinceMs > maxAgeMs) return undefined;
      return found.answer;
    },
    learn({ request }, answer) {
      const question = questionOf(request);
      // The last one learned is the last one to go.
      kept.delete(question);
      kept.set(question, { answer, sinceMs: clock.monotonicMs() });
      const [oldest] = kept.keys();
      if (kept.size > maxEntries && oldest !== undefined) kept.delete(oldest);
    },
  };
}

type Question = RequestCall["request"];

/** What was asked, whoever asked it. */
function questionOf({ entities, request, instances, inputs, principal }: Question): string {
  const tensors =
    inputs === undefined
      ? undefined
      : Object.entries(inputs).map(([name, { dtype, shape, data }]) => [name, dtype, shape, Array.from<unknown>(data)]);
  return JSON.stringify([entities, request, instances, tensors, principal], (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
}

function rowsAsked({ entities, instances, inputs }: Question): number {
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
