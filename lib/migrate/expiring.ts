/** As an index is described. */
interface Index {
  key: Record<string, unknown>;
  expireAfterSeconds?: number;
}

/**
 * Tells whether a document expires before an instant (milliseconds since 1970), by the indexes of its collection: as
 * MongoDB's TTL monitor, by the date that the index is on, or the earliest of a list.
 */
export function expiring(indexes: readonly object[], before: number): (document: object) => boolean {
  const limits = (indexes as readonly Index[]).flatMap(({ key, expireAfterSeconds }) =>
    expireAfterSeconds === undefined ? [] : Object.keys(key).map((path) => ({ path, ms: expireAfterSeconds * 1000 })),
  );
  return (document) =>
    limits.some(({ path, ms }) =>
      [valueAt(document, path)].flat().some((value) => value instanceof Date && value.getTime() + ms < before),
    );
}

const valueAt = (document: object, path: string): unknown =>
  path.split(".").reduce((value: unknown, name) => (value as Record<string, unknown> | undefined)?.[name], document);
