import type { Tensors } from "@millwright/contracts";
import { formatOfAnswer } from "../content/accept.ts";
import { type WrittenContent, predictionsText, writeContent } from "../content/write-content.ts";
import type { Prediction } from "../engine/prediction.ts";
import {
  type PredictionExplanation,
  clarifyText,
  explanationParameters,
  explanationTensors,
  explanationText,
} from "./prediction-explanation.ts";

const rowsOf = (outputs: Tensors): number => Object.values(outputs)[0]?.shape[0] ?? 0;

/** A further member of an object in JSON, with its comma; nothing where there is no explanation. */
export const explanationMember = ({ outputs, explanation }: Prediction): string =>
  explanation === undefined ? "" : `,"explanations":${explanationText(explanation, rowsOf(outputs))}`;

/** An object in JSON with a further member. */
export const withMember = (text: string, member: string): string =>
  member === "" ? text : `${text.slice(0, -1)}${member}}`;

/**
 * An answer with its explanation: as a further member of JSON; as further arrays where the format has names; and for clients of SageMaker Clarify, and formats of text that
 * have no room for it, as that answers, in JSON with the predictions as text. A lone array has no room at all.
 */
export function writeExplained(
  answer: Prediction,
  explanation: PredictionExplanation,
  headers: Readonly<Record<string, string | undefined>>,
): WrittenContent {
  const { outputs } = answer;
  const wanted = formatOfAnswer(headers);
  const clarify = headers["x-amzn-sagemaker-enable-explanations"] !== undefined;
  switch (wanted.format) {
    case "npz":
    case "arrow":
    case "multipart":
      return writeContent({ ...outputs, ...explanationTensors(explanation, rowsOf(outputs)) }, wanted);
    case "npy":
      return writeContent(outputs, wanted);
    case "json":
      if (!clarify)
        return { type: wanted.type, body: `{"predictions":${predictionsText(outputs)}${explanationMember(answer)}}` };
      break;
    default:
  }
  const { type, body } = writeContent(outputs, wanted);
  // Formats of text are written as text.
  const predictions = { type, data: typeof body === "string" ? body : "" };
  return { type: "application/json", body: clarifyText(explanation, predictions, rowsOf(outputs)) };
}

interface AskedOutputs<Output> {
  readonly outputs: readonly Output[] | undefined;
}

/** Outputs and parameters with the explanation's, which are sent with those that were asked for. */
export function explainedOutputs<Asked extends AskedOutputs<{ readonly name: string }>>(
  outputs: Tensors,
  explanation: PredictionExplanation,
  asked: Asked,
): { readonly outputs: Tensors; readonly asked: Asked; readonly parameters: Readonly<Record<string, string>> } {
  const tensors = explanationTensors(explanation, rowsOf(outputs));
  const names = Object.keys(tensors).map((name) => ({ name }));
  return {
    outputs: { ...outputs, ...tensors },
    asked: asked.outputs === undefined ? asked : { ...asked, outputs: [...asked.outputs, ...names] },
    parameters: explanationParameters(explanation),
  };
}
