type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isFinite = (value: unknown): value is number => Number.isFinite(value);
const isNumbers = (value: unknown, length?: number): value is readonly number[] =>
  Array.isArray(value) && value.every(isFinite) && (length === undefined || value.length === length);

/** What keeps a value from being an `OutlierModel`. */
export function modelProblem(model: unknown): string | undefined {
  if (!isObject(model)) return "it is no object";
  const { formatVersion, kind, columns, threshold } = model;
  if (formatVersion !== 1) return `its formatVersion is ${JSON.stringify(formatVersion)}, and this release reads 1`;
  if (!isFinite(threshold)) return "it has no threshold";
  if (model["usual"] !== undefined && !isUsual(model["usual"])) return "it does not say what is usual";
  if (!Array.isArray(columns) || columns.length === 0) return "it has no columns";
  const bad = columns.findIndex((column) => !isScoreColumn(column));
  if (bad >= 0) return `its column ${bad} is none`;
  if (kind === "isolation-forest") return forestProblem(model["forest"], columns.length);
  const vectors =
    kind === "mahalanobis" ? model["directions"] : kind === "reconstruction" ? model["components"] : undefined;
  if (vectors === undefined) return "its kind is not isolation-forest, mahalanobis or reconstruction";
  return Array.isArray(vectors) && vectors.length > 0 && vectors.every((vector) => isNumbers(vector, columns.length))
    ? undefined
    : "its vectors do not have a number for each column";
}

function isUsual(usual: unknown): boolean {
  if (!isObject(usual)) return false;
  const { rows, above } = usual;
  return (
    Number.isSafeInteger(rows) && Number.isSafeInteger(above) && 0 <= Number(above) && Number(above) < Number(rows)
  );
}

function isScoreColumn(column: unknown): boolean {
  if (!isObject(column) || !isObject(column["feature"])) return false;
  const { name, kind, categories } = column["feature"];
  const { fill, mean, scale, shares } = column;
  if (typeof name !== "string" || !isFinite(fill) || !isFinite(mean) || !isFinite(scale) || scale === 0) return false;
  if (kind === "number") return shares === undefined;
  return (
    kind === "category" &&
    Array.isArray(categories) &&
    categories.every((text) => typeof text === "string") &&
    isNumbers(shares, categories.length)
  );
}

function forestProblem(forest: unknown, width: number): string | undefined {
  if (!isObject(forest)) return "it has no forest";
  const { sampleRows, roots, columns, numbers, rights } = forest;
  if (!Number.isInteger(sampleRows) || Number(sampleRows) < 1)
    return "its forest does not say how many rows a tree had";
  if (!isNumbers(columns) || !isNumbers(numbers, columns.length) || !isNumbers(rights, columns.length))
    return "its forest does not have as many columns, numbers and rights";
  const isNode = (node: number): boolean => Number.isInteger(node) && node >= 0 && node < columns.length;
  if (!isNumbers(roots) || roots.length === 0 || !roots.every(isNode)) return "its forest has no trees";
  const bad = columns.findIndex((column, at) => {
    if (column === -1) return false;
    const right = rights[at]!;
    // Later nodes only: every walk ends.
    return !(
      Number.isInteger(column) &&
      column >= 0 &&
      column < width &&
      isNode(at + 1) &&
      isNode(right) &&
      right > at
    );
  });
  return bad < 0 ? undefined : `node ${bad} of its forest leads nowhere`;
}
