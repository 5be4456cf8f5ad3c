import type { KeptName } from "../reading-store/sqlite/names.ts";

/** A name's id and what it holds, to be compared. */
export const nameIn = ({ device, seq, ts, seen }: KeptName): [id: string, content: string] => [
  `${device}/${seq}`,
  JSON.stringify([ts, seen]),
];
