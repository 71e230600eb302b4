import { accepted, post } from "./http.ts";

/** KServe's first protocol, which TensorFlow Serving's REST API shares. */
export class V1Client {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url.replace(/\/$/, "");
  }

  /** Whether a model answers: KServe says `ready`, TensorFlow Serving the states of its versions. */
  async isReady(model: string): Promise<boolean> {
    const answer = await fetch(`${this.#url}/v1/models/${encodeURIComponent(model)}`);
    if (!answer.ok) return false;
    const { ready, model_version_status: versions = [] } = (await answer.json()) as {
      readonly ready?: boolean | string;
      readonly model_version_status?: readonly { readonly state: string }[];
    };
    return ready === undefined
      ? versions.some(({ state }) => state === "AVAILABLE")
      : String(ready).toLowerCase() === "true";
  }

  /** @returns a prediction for each instance. */
  async predict(model: string, instances: readonly unknown[]): Promise<readonly unknown[]> {
    const path = `/v1/models/${encodeURIComponent(model)}:predict`;
    const answer = await accepted(path, await fetch(this.#url + path, post(JSON.stringify({ instances }))));
    return ((await answer.json()) as { readonly predictions: readonly unknown[] }).predictions;
  }
}
