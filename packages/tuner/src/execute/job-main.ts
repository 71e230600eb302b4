import { type JsonValue, encodeNumbers } from "@millwright/contracts";
import { type TrialAnswer, createRemoteTrial, importObjective } from "./trial-link.ts";

/** What `@millwright/jobs` gives a module, as far as it is needed here. */
interface JobContext {
  readonly attempt: number;
  readonly input: JsonValue | undefined;
  readonly signal: AbortSignal;
  send(body: JsonValue): void;
  onMessage(listener: (body: JsonValue) => void): void;
}

/** The module that a job of `jobObjective` runs. */
// oxlint-disable-next-line import/no-default-export -- a job runs the default export of its module
export default async function runTrial({ attempt, input, signal, send, onMessage }: JobContext): Promise<JsonValue> {
  const { objective: url } = input as { readonly objective: string };
  const trial = createRemoteTrial(attempt, (call) => send(call as unknown as JsonValue));
  onMessage((body) => trial.take(body as unknown as TrialAnswer));
  const objective = await importObjective(url);
  return encodeNumbers((await objective(await trial.begin(signal))) as JsonValue);
}
