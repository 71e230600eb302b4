import {
  type AnyDeclaration,
  bool,
  type ColumnType,
  type DataSchema,
  date,
  defineSchema,
  dictionary,
  type DictionaryFieldOptions,
  float32,
  float64,
  int16,
  int32,
  int64,
  int8,
  list,
  type NumberFieldOptions,
  type Schema,
  timestamp,
  uint16,
  uint32,
  uint64,
  uint8,
  utf8,
} from "@millwright/contracts";

/** What people say of a definition. It changes no feature, and so no digest. */
export interface Metadata {
  readonly description?: string | undefined;
  /** Who answers for it. */
  readonly owner?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** `pii`: personal data, shown only to those who may see it. */
export type Sensitivity = "public" | "internal" | "pii";

/** What is said of a column: limits and values are checked where rows are validated. */
export interface ColumnMetadata extends Omit<NumberFieldOptions & DictionaryFieldOptions, "nullable"> {
  /** Default: `internal`. */
  readonly sensitivity?: Sensitivity | undefined;
}

export type ColumnsMetadata = Readonly<Record<string, ColumnMetadata>>;

const declare: Readonly<Record<string, (options: { readonly nullable: boolean }) => AnyDeclaration>> = {
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float32,
  float64,
  date,
  timestamp,
  bool,
  utf8,
};

/**
 * The fields as one schema: validates rows, and projects to JSON Schema, SageMaker features, Open Inference tensors and column kinds.
 * @param required Fields that are never null.
 */
export function declaredSchema(fields: Schema, columns: ColumnsMetadata, required: ReadonlySet<string>): DataSchema {
  const declarations = fields.map(({ name, type, items }) => {
    const { sensitivity: _, ...said } = columns[name] ?? {};
    const options = { ...said, nullable: !required.has(name) };
    return [
      name,
      items === undefined ? declarationOf(type, options) : list(items as Exclude<ColumnType, "list">, options),
    ] as const;
  });
  return defineSchema(Object.fromEntries(declarations));
}

function declarationOf(type: ColumnType, options: ColumnMetadata & { readonly nullable: boolean }): AnyDeclaration {
  // Text of a few known values.
  if (type === "utf8" && options.values !== undefined) return dictionary(options);
  return declare[type]!(options);
}
