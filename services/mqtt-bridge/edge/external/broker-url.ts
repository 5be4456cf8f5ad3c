import { createHmac } from "node:crypto";

/** A broker's URL without user and password. */
export function placeOf(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}

/** Something that nobody guesses who does not know the broker's password of ours; the same for all bridges. */
const derived = (url: string, purpose: string): string =>
  createHmac("sha256", new URL(url).password).update(purpose).digest("base64url").slice(0, 22);

/** By its name a bridge finds its session again; whoever knew it could take the session over, and its messages. */
export const clientIdOf = (url: string, bridge: string): string => `ganglion-${bridge}-${derived(url, bridge)}`;

/** The group that shares the messages; a stranger in it would get a share, which nobody would store. */
export const shareOf = (url: string): string => `ganglion-${derived(url, "share")}`;
