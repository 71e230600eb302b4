import {
  type Constraints,
  parseProfile,
  type ProfilableDataset,
  type Profile,
  profileDataset,
  type ProfileDatasetOptions,
  type ProfileOptions,
  suggestConstraints,
  type SuggestConstraintsOptions,
} from "@millwright/data";
import { baselineInvalid } from "../errors.ts";

/** What production is held against: how the data was, and what was asked of it. */
export interface Baseline {
  readonly profile: Profile;
  readonly constraints: Constraints;
}

export interface BaselineOptions extends ProfileOptions, SuggestConstraintsOptions {
  /** Told as rows are read; see `profileDataset` of `@millwright/data`. */
  readonly progress?: ProfileDatasetOptions["progress"];
  readonly signal?: AbortSignal | undefined;
}

const rankError = 0.01;

/**
 * Profiles a good table once, in batches or by the dataset's own cheaper way, and suggests the constraints that it satisfies. The profile also keeps a KLL sample whose ranks are within
 * `rankError` (default here: 0.01), as Model Monitor's baselines do. Throws `MONITOR_BASELINE_INVALID` for a table without rows, and what reading the dataset and `suggestConstraints` throw.
 */
export async function createBaseline(dataset: ProfilableDataset, options: BaselineOptions = {}): Promise<Baseline> {
  const { maxDomainSize, unconstrained, ...profiling } = options;
  const profile = await profileDataset(dataset, { rankError, ...profiling });
  return baselineOf(profile, { maxDomainSize, unconstrained });
}

/** The baseline that a profile makes. Throws `MONITOR_BASELINE_INVALID` for a profile without rows, and what `suggestConstraints` throws. */
export function baselineOf(profile: Profile, options: SuggestConstraintsOptions = {}): Baseline {
  if (profile.rows === 0) throw baselineInvalid("it has no rows");
  return { profile, constraints: suggestConstraints(profile, options) };
}

/** What of a model package's manifest holds its baseline. */
export interface ProfiledModel {
  readonly profile?: Readonly<Record<string, unknown>> | undefined;
}

/** The baseline in a model package: the profile of what the model was trained on. Throws `MONITOR_BASELINE_INVALID` for a package without one, and what `parseProfile` throws. */
export function baselineOfModel({ profile }: ProfiledModel, options: SuggestConstraintsOptions = {}): Baseline {
  if (profile === undefined) throw baselineInvalid("the model package holds no profile");
  return baselineOf(parseProfile(profile), options);
}
