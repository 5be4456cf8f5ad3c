import { Agent, get } from "node:http";

/**
 * Sends GET requests over some connections that stay open, and resolves when all are answered.
 *
 * @param headersOf the headers of the request of this number.
 * @throws Error at an answer that is not 200
 */
export async function load(
  url: string,
  { requests, connections }: { requests: number; connections: number },
  headersOf: (index: number) => Record<string, string> = () => ({}),
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let next = 0;
  const one = (headers: Record<string, string>) =>
    new Promise<void>((resolve, reject) => {
      get(url, { agent, headers }, (response) => {
        response.resume().once("end", () => {
          const { statusCode } = response;
          if (statusCode === 200) resolve();
          else reject(new Error(`${url} answers ${statusCode}: ${response.headers["www-authenticate"]}`));
        });
      }).once("error", reject);
    });
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (next < requests) await one(headersOf(next++));
    }),
  );
  agent.destroy();
}
