import type { Batch, Dataset, FeatureRequest } from "@millwright/contracts";
import { columnsOfGiven, datasetOfGiven, type GivenRows } from "./definition/given-rows.ts";
import type { FeatureService } from "./definition/service-definition.ts";
import type { HistoryOptions } from "./retrieval/training-set.ts";

/** What `read` is asked: as a `FeatureRequest`, and rows may be plain objects: `{ entities: [{ user: "ann" }], request: [{ amount: 12 }] }`. */
export interface ReadRequest extends Omit<FeatureRequest, "entities" | "request"> {
  /** One row of keys for each vector that is wanted. */
  readonly entities: GivenRows;
  /** As many rows of request inputs. */
  readonly request?: GivenRows | undefined;
}

/** What `history` is asked: as `HistoryOptions`, and labels may be plain rows. */
export interface HistoryRequest extends Omit<HistoryOptions, "labels"> {
  /**
   * The rows that get features: the service's entity keys, a time column, and whatever else shall stand beside the features. Of plain rows, keys, inputs and
   * time get the types that the definitions say, other columns those of their values: numbers are float64.
   */
  readonly labels: Dataset | GivenRows;
}

/** The labels, of plain rows as columns: those that the definitions name in their types, all others in those that their values have. */
export function labelsOfRequest(service: FeatureService, { labels, labelTime }: HistoryRequest): Dataset | Batch {
  const { entityKeys, requestInputs } = service;
  return datasetOfGiven(
    "The labels",
    [...entityKeys, ...requestInputs, { name: labelTime, type: "timestamp" }],
    labels,
  );
}

/** The request with its rows as columns. Throws a RangeError where there are not as many rows of request inputs as entities. */
export function columnsOfRequest({ entityKeys, requestInputs }: FeatureService, asked: ReadRequest): FeatureRequest {
  if (typeof asked !== "object" || asked?.entities == null) {
    throw new TypeError("A read names entities: { entities: [{ <key>: … }] }, one row a vector.");
  }
  const entities = columnsOfGiven("The entities", [...entityKeys, ...requestInputs], asked.entities);
  const request =
    asked.request === undefined ? undefined : columnsOfGiven("The request inputs", requestInputs, asked.request);
  if (request !== undefined && request.length !== entities.length) {
    throw new RangeError(
      `There are ${entities.length} entities and ${request.length} rows of request inputs. Give one row of inputs an entity.`,
    );
  }
  return { ...asked, entities, request, scope: asked.scope ?? asked.request ?? asked.entities };
}
