import type { FeatureView } from "../definition/definition.ts";
import { unknownView } from "../errors.ts";
import type { FeatureStore } from "../feature-store.ts";
import type { CheckAccess } from "../http/access.ts";
import type { FaceSetting } from "../http/face-options.ts";
import { type HttpAnswer, type HttpRequest, json, jsonText } from "../http/message.ts";
import { parsePythonTime } from "../http/value-readers.ts";
import { feastBody } from "./body.ts";
import { feastRefusal } from "./refusal.ts";

export interface FeastMaterializer {
  /** Answers `POST /materialize` and `POST /materialize-incremental`. */
  answer(request: HttpRequest, kind: "incremental" | "whole"): Promise<HttpAnswer>;
  /** Stops what goes on in the background, and waits for it. */
  close(): Promise<void>;
}

interface MaterializeRequest {
  readonly views: readonly FeatureView[];
  readonly endUs: bigint;
}

export function createFeastMaterializer(
  store: Pick<FeatureStore, "materialize">,
  setting: FaceSetting,
  check: CheckAccess,
  onFailure: (view: string, error: unknown) => void,
): FeastMaterializer {
  const closing = new AbortController();
  /** Runs in the background by view: how many there are, where `force` began more than one. */
  const running = new Map<string, number>();
  const background = new Set<Promise<void>>();
  const run = async (name: string, upToMs: number, signal: AbortSignal): Promise<void> => {
    await store.materialize(name, { upToMs, signal });
  };
  const inBackground = async (names: readonly string[], upToMs: number): Promise<void> => {
    for (const name of names) {
      try {
        await run(name, upToMs, closing.signal);
      } catch (error) {
        if (!closing.signal.aborted) onFailure(name, error);
      } finally {
        const left = (running.get(name) ?? 1) - 1;
        if (left === 0) running.delete(name);
        else running.set(name, left);
      }
    }
  };
  return {
    async answer(request, kind) {
      const { views, endUs } = materializeRequestOf(request.body, kind, setting);
      const names = views.map((view) => view.name);
      for (const name of names) await check(request, "features:materialize", `feature-view/${name}`);
      // Feast's end is part of the window, and no history speaks for what is still to come.
      const upToMs = Math.min(Number(endUs + 1n) / 1000, setting.clock.nowMs());
      if (!isTrue(request.query["async"])) {
        for (const name of names) await run(name, upToMs, request.signal);
        return jsonText("null");
      }
      const busy = names.filter((name) => running.has(name));
      if (busy.length > 0 && !isTrue(request.query["force"])) return conflict(busy);
      for (const name of names) running.set(name, (running.get(name) ?? 0) + 1);
      const work = inBackground(names, upToMs).finally(() => background.delete(work));
      background.add(work);
      return json({ status: "accepted", feature_views: names }, 202);
    },
    async close() {
      closing.abort();
      await Promise.all(background);
    },
  };
}

const isTrue = (value: unknown): boolean => typeof value === "string" && /^(?:1|true|t|yes|y|on)$/i.test(value);

function conflict(views: readonly string[]): HttpAnswer {
  const list = views.map((name) => `'${name}'`).join(", ");
  const error = `Cannot start async materialization — the following feature views are already in MATERIALIZING state: [${list}]. Use ?force=true to override.`;
  return json({ error, feature_views: views }, 409);
}

function materializeRequestOf(
  bytes: Uint8Array,
  kind: "incremental" | "whole",
  { views, clock }: FaceSetting,
): MaterializeRequest {
  const body = feastBody(bytes);
  const isWhole = kind === "whole";
  const names = body.texts("feature_views");
  const endText = isWhole ? body.optionalText("end_ts") : body.text("end_ts");
  const startText = isWhole ? body.optionalText("start_ts") : undefined;
  const isUntimed = isWhole && body.flag("disable_event_timestamp");
  body.check();
  const chosen = (names ?? [...views.keys()]).map((name) => {
    const view = views.get(name);
    if (view === undefined) throw unknownView(name, [...views.keys()]);
    return view;
  });
  if (isUntimed) return { views: chosen, endUs: BigInt(Math.floor(clock.nowMs())) * 1000n };
  if (isWhole && (startText === undefined || endText === undefined)) {
    throw refusal("start_ts and end_ts are required when disable_event_timestamp is False");
  }
  const endUs = timeOf(endText);
  if (isWhole && timeOf(startText) >= endUs) {
    throw refusal(`start_ts (${startText}) must be before end_ts (${endText})`);
  }
  return { views: chosen, endUs };
}

const refusal = (message: string): Error => feastRefusal(422, "FeastError", message);

function timeOf(text: string | undefined): bigint {
  const us = parsePythonTime(text);
  if (us === undefined) throw refusal(`Invalid timestamp format: Unknown string format: ${(text ?? "").slice(0, 80)}`);
  return us;
}
