import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import { problem } from "../../lib/problem.ts";

/** What Node's parser refuses before there is a request. */
const REFUSALS: Record<string, { status: number; code: string; detail: string }> = {
  HPE_HEADER_OVERFLOW: { status: 431, code: "HEADERS_TOO_LARGE", detail: "The header fields are too large." },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, code: "BODY_TOO_LARGE", detail: "The chunk extensions are too large." },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: "REQUEST_TIMEOUT", detail: "The request did not end in time." },
};
const MALFORMED = { status: 400, code: "REQUEST_MALFORMED", detail: "The request is not valid HTTP." };

/** Node's own: the answer of the request that the socket is at. */
type HttpSocket = Duplex & { _httpMessage?: { headersSent: boolean } | null };

export interface RefusedBytes {
  requestId: string;
  status: number;
  code: string;
}

/** Answers bytes that are no request with a problem document, and ends the connection. */
export function refuseBytes(
  { code = "" }: NodeJS.ErrnoException,
  socket: HttpSocket,
  refused: (refusal: RefusedBytes) => void,
): void {
  // Into an answer that has begun nothing else can be written.
  if (code === "ECONNRESET" || !socket.writable || socket._httpMessage?.headersSent) return void socket.destroy();
  const { status, ...refusal } = REFUSALS[code] ?? MALFORMED;
  const requestId = randomUUID();
  const document = { ...problem(status, refusal.code, refusal.detail), requestId };
  refused({ requestId, status, code: refusal.code });
  const text = JSON.stringify(document);
  const head = [
    `HTTP/1.1 ${status} ${document.title}`,
    "Connection: close",
    "Content-Type: application/problem+json",
    `X-Request-ID: ${requestId}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`);
}
