import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  status?: { code: number; message?: string };
}

interface Export {
  resourceSpans: {
    resource: { attributes: ReceivedSpan["attributes"] };
    scopeSpans: { spans: ReceivedSpan[] }[];
  }[];
}

/** A collector that takes OTLP/HTTP in JSON and keeps what it is sent. */
export async function otlpReceiver() {
  const spans: ReceivedSpan[] = [];
  const requests: {
    url: string | undefined;
    headers: Record<string, unknown>;
    resource: ReceivedSpan["attributes"];
  }[] = [];
  /** Statuses of the next answers; then 200. */
  const answers: number[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.once("end", () => {
      const status = answers.shift() ?? 200;
      const { resourceSpans } = JSON.parse(body) as Export;
      requests.push({
        url: request.url,
        headers: request.headers,
        resource: resourceSpans[0]?.resource.attributes ?? [],
      });
      if (status === 200)
        spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
      response.writeHead(status, { "content-type": "application/json" }).end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ spans, requests, answers },
    of: (traceId: string) => spans.filter((span) => span.traceId === traceId),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
