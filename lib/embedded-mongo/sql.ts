/** Field names that stand in a JSON path as they are; SQLite cannot escape the others. */
const PLAIN_PATH = /^[^"\\\p{Cc}]+$/u;

export const isPlainPath = (path: string): boolean => PLAIN_PATH.test(path) && !path.split(".").includes("");

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The expression that indexes and filters share: a query uses an index only if the two texts are equal. */
export function pathExpression(path: string): string {
  if (path === "_id") return "k";
  const jsonPath = `$${path
    .split(".")
    .map((part) => `."${part}"`)
    .join("")}`;
  return `json_extract(doc,${quoted(jsonPath)})`;
}
