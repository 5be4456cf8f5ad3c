/** What may stand in a URL unescaped (RFC 3986 §2.3). */
const UNRESERVED = /[\w\-.~]/;

/**
 * A URL without query and fragment, normalised by syntax and scheme (RFC 3986 §6.2.2 and §6.2.3), as `htu` is compared
 * (RFC 9449 §4.3 check 9); undefined where it is none.
 */
export function normalUrl(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (!parsed) return undefined;
  const path = parsed.pathname.replace(/%[\dA-Fa-f]{2}/g, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return UNRESERVED.test(character) ? character : escaped.toUpperCase();
  });
  return `${parsed.protocol}//${parsed.username || parsed.password ? "@" : ""}${parsed.host}${path}`;
}

/** Whether `htu` is the path at one of the origins. */
export function isUrlOf(htu: string, origins: readonly string[], path: string): boolean {
  // As nearly every client writes it.
  if (origins.some((origin) => htu.length === origin.length + path.length && htu === origin + path)) return true;
  const normal = normalUrl(htu);
  return normal !== undefined && origins.some((origin) => normal === normalUrl(origin + path));
}
