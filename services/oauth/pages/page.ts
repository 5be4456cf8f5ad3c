import { hash } from "node:crypto";

const STYLE = [
  ":root{color-scheme:light dark}",
  "body{font:1rem/1.5 system-ui,sans-serif;margin:0;color:#1a1a1a;background:#fff}",
  "main{max-width:26rem;margin:3rem auto;padding:0 1rem}",
  "label,legend{display:block;font-weight:600;margin-top:1rem}",
  "input[type=text],input[type=password]{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;",
  "border:1px solid #595959;border-radius:.25rem;background:#fff;color:#1a1a1a}",
  "button{font:inherit;margin:1.5rem .75rem 0 0;padding:.5rem 1.25rem;border:1px solid #0b4f9e;border-radius:.25rem;",
  "background:#0b4f9e;color:#fff}",
  "button.second{background:#fff;color:#0b4f9e}",
  ":focus-visible{outline:3px solid #b35900;outline-offset:2px}",
  ".error{border-left:.25rem solid #b00020;padding:.25rem .75rem;color:#8c0019;background:#fff}",
  "form.inline{display:inline}",
  "@media(prefers-color-scheme:dark){body{color:#f2f2f2;background:#1a1a1a}}",
].join("");
const STYLE_HASH = hash("sha256", STYLE, "base64");

export const escapeHtml = (text: unknown): string =>
  String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

export interface Page {
  title: string;
  /** HTML; whatever came from outside is escaped in it. */
  body: string;
}

/** Without scripts, for readers of every kind: one main landmark, labels, visible focus, contrast of AA. */
export const renderPage = ({ title, body }: Page): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>` +
  `<meta name="viewport" content="width=device-width,initial-scale=1"><style>${STYLE}</style></head>` +
  `<body><main><h1>${escapeHtml(title)}</h1>${body}</main></body></html>`;

/**
 * Headers of every page: nothing is loaded, nothing runs, nobody may frame it.
 *
 * @param redirectUri where the form leads in the end: browsers hold redirects after a form to `form-action`, too
 */
export const pageHeaders = (redirectUri?: unknown): Record<string, string> => ({
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "content-security-policy": [
    "default-src 'none'",
    `style-src 'sha256-${STYLE_HASH}'`,
    `form-action 'self'${formTarget(redirectUri)}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join("; "),
  "x-frame-options": "DENY",
  // Not `no-referrer`: it would make the origin of forms `null`, by which they are told from those of other sites.
  "referrer-policy": "same-origin",
});

function formTarget(uri: unknown): string {
  const parsed = typeof uri === "string" ? URL.parse(uri) : null;
  if (!parsed) return "";
  return /^https?:$/.test(parsed.protocol) ? ` ${parsed.origin}` : ` ${parsed.protocol}`;
}

/** A message of what went wrong, read out at once. */
export const alert = (message: string | undefined): string =>
  message === undefined ? "" : `<p class="error" role="alert">${escapeHtml(message)}</p>`;
