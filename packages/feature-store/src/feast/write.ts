import type { Batch } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import { unknownView } from "../errors.ts";
import type { FeatureStore } from "../feature-store.ts";
import type { CheckAccess } from "../http/access.ts";
import { batchOfJson } from "../http/batch-body.ts";
import type { FaceSetting } from "../http/face-options.ts";
import { type HttpAnswer, type HttpRequest, jsonText } from "../http/message.ts";
import { feastValueReaders } from "../http/value-readers.ts";
import { checkNotAhead } from "../http/write-routes.ts";
import { sourceSchema } from "../definition/source-columns.ts";
import { feastBody } from "./body.ts";
import { feastRefusal } from "./refusal.ts";

export interface FeastWriteSetting extends FaceSetting {
  /** The views behind a push source, by its name. */
  readonly pushSources: ReadonlyMap<string, readonly FeatureView[]>;
}

type WritableStore = Pick<FeatureStore, "ingest" | "push">;
type Frame = Readonly<Record<string, readonly unknown[]>>;

/** Answers `POST /push`: rows for every view of the push source, online, in the history, or both. */
export async function pushRows(
  store: WritableStore,
  request: HttpRequest,
  setting: FeastWriteSetting,
  check: CheckAccess,
): Promise<HttpAnswer> {
  const body = feastBody(request.body);
  const source = body.text("push_source_name");
  const frame = body.lists("df");
  const to = body.optionalText("to") ?? "online";
  body.check();
  if (to !== "online" && to !== "offline" && to !== "online_and_offline") {
    const message = `${to} is not a supported push format. Please specify one of these ['online', 'offline', 'online_and_offline'].`;
    throw feastRefusal(422, "FeastError", message);
  }
  const views = setting.pushSources.get(source);
  if (views === undefined) {
    throw feastRefusal(422, "PushSourceNotFoundException", `Unable to find push source '${source}'.`);
  }
  for (const view of views) await check(request, "features:push", `feature-view/${view.name}`);
  // All are read before any is written: a body that one view cannot take changes none.
  const batches = views.map((view) => [view, framedRows(view, frame, setting)] as const);
  for (const [view, batch] of batches) {
    if (to !== "online") await store.ingest(view.id, only(batch), { signal: request.signal });
    if (to !== "offline") await store.push(view.id, batch, { signal: request.signal });
  }
  return jsonText("");
}

/** Answers `POST /write-to-online-store`. */
export async function writeToOnlineStore(
  store: WritableStore,
  request: HttpRequest,
  setting: FeastWriteSetting,
  check: CheckAccess,
): Promise<HttpAnswer> {
  const body = feastBody(request.body);
  const name = body.text("feature_view_name");
  const frame = body.lists("df");
  body.check();
  const view = setting.views.get(name);
  if (view === undefined) throw unknownView(name, [...setting.views.keys()]);
  await check(request, "features:push", `feature-view/${name}`);
  await store.push(name, framedRows(view, frame, setting), { signal: request.signal });
  return jsonText("null");
}

async function* only(batch: Batch): AsyncGenerator<Batch> {
  yield batch;
}

/** The rows of a data frame as the view has them. Feast's client names the times `event_timestamp` and `created`, whatever the view does. */
function framedRows(view: FeatureView, frame: Frame, setting: FeastWriteSetting): Batch {
  const where = `The rows pushed to the view "${view.name}"`;
  const { eventTime, createdTime, deleted } = view;
  const named: Record<string, readonly unknown[]> = { ...frame };
  const alias = (column: string | undefined, other: string): void => {
    const values = Object.hasOwn(frame, other) ? frame[other] : undefined;
    if (column !== undefined && !Object.hasOwn(frame, column) && values !== undefined) named[column] = values;
  };
  alias(eventTime, "event_timestamp");
  alias(createdTime, "created");
  const batch = batchOfJson(named, {
    where,
    fields: sourceSchema(view),
    readers: feastValueReaders,
    maxRows: setting.maxBodyRows,
    optional: new Set(deleted === undefined ? [] : [deleted]),
  });
  checkNotAhead(view, batch, setting);
  return batch;
}
