import { hasCode } from "@millwright/contracts";
import { openInference } from "@millwright/serving/clients";
import { createIrisClient } from "./iris-client.ts";

export interface TypedAnswers {
  /** The scores of each flower; absent where the server's model is not the one that the client was generated from. */
  readonly answers: readonly (readonly number[])[] | undefined;
  readonly told: string;
}

/** Asks by the generated client: another name, element type or shape of an input would not compile. */
export async function askTyped(
  url: string,
  model: string,
  flowers: readonly Readonly<Record<string, number>>[],
): Promise<TypedAnswers> {
  const client = createIrisClient({
    protocol: openInference({ url, model }),
    deadlineMs: 10_000,
    hedge: { share: 0.05 },
  });
  try {
    await client.check();
  } catch (error) {
    if (!hasCode(error, "SERVING_CLIENT_SIGNATURE_INVALID")) throw error;
    return { answers: undefined, told: "typed: the model here has another signature" };
  }
  const column = (name: string): readonly number[] => flowers.map((flower) => flower[name] ?? Number.NaN);
  const { outputs, evidence } = await client.predict({
    sepalLength: column("sepalLength"),
    sepalWidth: column("sepalWidth"),
    petalLength: column("petalLength"),
    petalWidth: column("petalWidth"),
  });
  const { data, shape } = outputs.prediction;
  const answers = flowers.map((_, row) => Array.from(data.subarray(row * shape[1], (row + 1) * shape[1])));
  return {
    answers,
    told: `typed: ${evidence.model} ${evidence.version ?? ""} answered in ${evidence.attempts} try`,
  };
}
