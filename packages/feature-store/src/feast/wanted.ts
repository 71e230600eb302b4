import { featureName, type FeatureView } from "../definition/definition.ts";
import { type FeatureService } from "../definition/service-definition.ts";
import { type OnDemandFeatures } from "../definition/on-demand-definition.ts";
import { feastRefusal } from "./refusal.ts";

/** One feature that a request asks for. */
export interface WantedFeature {
  /** Absent where the feature is computed on demand. */
  readonly view?: FeatureView | undefined;
  readonly onDemand?: OnDemandFeatures | undefined;
  /** The column of a service's answer. */
  readonly column: string;
  /** What it is called in the answer, short and in full. */
  readonly shortName: string;
  readonly fullName: string;
}

/** All features of a service, in its order. */
export function featuresOfService({ views, onDemand }: FeatureService): readonly WantedFeature[] {
  return [
    ...views.flatMap((view) => view.featureNames.map((feature) => ofView(view, feature, view.name))),
    ...onDemand.flatMap((each) => each.featureNames.map((feature) => ofOnDemand(each, feature))),
  ];
}

const ofView = (view: FeatureView, feature: string, tag: string): WantedFeature => ({
  view,
  column: featureName(view, feature),
  shortName: feature,
  fullName: `${tag}__${feature}`,
});

const ofOnDemand = (onDemand: OnDemandFeatures, feature: string): WantedFeature => ({
  onDemand,
  column: feature,
  shortName: feature,
  fullName: `${onDemand.name}__${feature}`,
});

const reference = /^([^:@]+)(?:@(latest|v\d+))?:([^:]+)$/;

/**
 * The feature of a reference such as `stats:rating` or `stats@v2:rating`. Throws a refusal: 404 for a view or version that is not there, 422
 * for a feature that the view has not, and for text that is no reference.
 */
export function featureOfReference(
  text: string,
  services: readonly FeatureService[],
  versions: Readonly<Record<string, number>>,
): WantedFeature {
  const match = reference.exec(text);
  if (match === null) {
    const expected = "Expected format: '<feature_view>:<feature>' or '<feature_view>@<version>:<feature>'";
    throw feastRefusal(422, "FeastError", `Invalid feature reference '${text.slice(0, 200)}'. ${expected}`);
  }
  const [, name = "", version, feature = ""] = match;
  const view = services.flatMap(({ views }) => views).find((each) => each.name === name);
  const onDemand = services.flatMap((service) => service.onDemand).find((each) => each.name === name);
  const found = view ?? onDemand;
  if (found === undefined) {
    throw feastRefusal(404, "FeatureViewNotFoundException", `Feature view ${name} does not exist`);
  }
  if (!found.featureNames.includes(feature)) {
    const known = found.featureNames.join(", ");
    throw feastRefusal(422, "FeastError", `Feature ${feature} not found in projection ${name}; it has ${known}`);
  }
  if (view === undefined) return ofOnDemand(found as OnDemandFeatures, feature);
  const pinned = version === undefined || version === "latest" ? undefined : Number(version.slice(1));
  const own = Object.hasOwn(versions, name) ? versions[name] : undefined;
  if (pinned !== undefined && own !== undefined && pinned !== own) {
    const message = `Version v${pinned} of feature view ${name} does not exist; it is at v${own}`;
    throw feastRefusal(404, "FeatureViewVersionNotFound", message);
  }
  return ofView(view, feature, pinned === undefined ? name : `${name}@v${pinned}`);
}

const holds = (service: FeatureService, { view, onDemand }: WantedFeature): boolean =>
  view === undefined
    ? service.onDemand.some(({ name }) => name === onDemand?.name)
    : service.views.some(({ name }) => name === view.name);

/** The reads that give the features: one service that has all of them where there is one, else the smallest for each. */
export function planReads(
  services: readonly FeatureService[],
  wanted: readonly WantedFeature[],
): ReadonlyMap<FeatureService, readonly WantedFeature[]> {
  // What needs no request inputs can be read by everybody.
  const size = ({ requestInputs, features }: FeatureService): number => requestInputs.length * 1e6 + features.length;
  const smallestFirst = services.toSorted((a, b) => size(a) - size(b));
  const whole = smallestFirst.find((service) => wanted.every((feature) => holds(service, feature)));
  const reads = new Map<FeatureService, WantedFeature[]>();
  for (const feature of wanted) {
    const service = whole ?? smallestFirst.find((each) => holds(each, feature));
    if (service === undefined) continue;
    const read = reads.get(service);
    if (read === undefined) reads.set(service, [feature]);
    else read.push(feature);
  }
  return reads;
}
