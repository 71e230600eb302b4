import { batchOf, column, schemaOf } from "@millwright/data";
import { defaultPlan, defineTraining } from "@millwright/trainer";
import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";

test("build gets what the schema gives out", () => {
  const definition = defineTraining({
    params: z.object({ units: z.number().default(8), rate: z.string().transform(Number) }),
    build: ({ tf, params, inputs }) => {
      expectTypeOf(params).toEqualTypeOf<{ units: number; rate: number }>();
      return tf.sequential({ layers: [tf.layers.dense({ units: params.units, inputShape: [inputs] })] });
    },
  });
  expect(definition.task).toBeUndefined();
  // @ts-expect-error a model must come out
  defineTraining({ params: z.object({}), build: () => 5 });
});

test("without a plan numbers are standardized and texts one-hot; times and the label are left out", () => {
  const batch = batchOf({
    amount: new Float64Array(1),
    paid: column("bool", [true]),
    kind: ["a"],
    at: column("timestamp", [1_000_000n]),
    label: Int32Array.of(1),
  });
  expect(defaultPlan(schemaOf(batch), "label")).toEqual([
    { kind: "numeric", column: "amount" },
    { kind: "numeric", column: "paid" },
    { kind: "oneHot", column: "kind" },
  ]);
});
