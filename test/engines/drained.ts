import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import type { WorkerOptions } from "../ports/work-channel/worker.ts";
import { startWorker } from "../ports/work-channel/worker-process.ts";
import type { RabbitMq } from "../support/engines/rabbitmq.ts";

const ROUNDS = 5;

/**
 * Lets workers end when nothing is left to do; their exit codes. What a queue takes back late, from connections that
 * ended with the server, is for a worker that comes after them, as in life one is always there.
 */
export async function drained(
  server: RabbitMq,
  workers: ChildProcess[],
  options: Partial<WorkerOptions> & { dir: string },
): Promise<(number | null)[]> {
  const codes: (number | null)[] = [];
  for (let round = 1; ; round++) {
    const exits = workers.map((worker) => once(worker, "exit") as Promise<[number | null]>);
    for (const worker of workers) worker.send("drain");
    codes.push(...(await Promise.all(exits)).map(([code]) => code));
    if (round === ROUNDS || left(server, options.dir) === 0) return codes;
    workers = [await startWorker({ ...options, publishes: false, life: 100 + round })];
  }
}

/** Items of the channel and of its delays, those in work too, by the server's own word. */
function left(server: RabbitMq, dir: string): number {
  const rows = server.control("list_queues", "name", "messages").split("\n");
  const own = rows.map((row) => row.split("\t")).filter(([name = ""]) => name.startsWith(`${basename(dir)}.jobs`));
  return own.filter(([name = ""]) => !name.includes(".dead")).reduce((sum, [, messages]) => sum + Number(messages), 0);
}
