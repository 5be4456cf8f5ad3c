/** Header of a message that goes back to the one group that had failed with it; every other group passes it over. */
export const REDRIVE_GROUP = "x-redrive-group";

/** Whether a message is another group's, by the JSON text of its headers. Most have none, and cost nothing here. */
export const isForAnotherGroup = (headers: string | null, group: string): boolean => {
  if (headers === null || !headers.includes(REDRIVE_GROUP)) return false;
  const wanted = (JSON.parse(headers) as Record<string, unknown>)[REDRIVE_GROUP];
  return wanted !== undefined && wanted !== group;
};

/** Header of a message that was a dead letter: which one. */
export const REDRIVEN_FROM = "x-redriven-from";
