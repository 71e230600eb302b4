import {
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
} from "../../packages/feature-store/dist/index.js";
import { FLOATS, VIEWS } from "./generate.mjs";

const entity = defineEntity({ name: "thing", keys: { id: "int64" } });

export const viewOf = ({ name, ttlDays }) =>
  defineFeatureView({
    name,
    entity,
    eventTime: "event_ts",
    createdTime: "created_ts",
    features: { ...Object.fromEntries(FLOATS.map((each) => [each, "float32"])), whole: "int64", text: "utf8" },
    ...(ttlDays === undefined ? {} : { ttlMs: days(ttlDays) }),
  });

export const serviceOf = () => defineFeatureService({ name: "all", views: VIEWS.map(viewOf) });
