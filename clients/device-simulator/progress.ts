import type { FaultCounts } from "./faults.ts";

/** Bounds of neighbouring buckets differ by this factor: a percentile is off by 2 % at most, in constant memory. */
const GROWTH = 1.04;

/** Counters of one run, and what it says of them. */
export class Progress {
  sent = 0;
  acknowledged = 0;
  /** Sent again, after a connection broke or the platform's quota was exceeded. */
  resent = 0;
  /** Answered with a reason code that forbids sending it again. */
  refused = 0;
  firstRefusal = "";
  reconnects = 0;
  /** Lines of a recording that held no value. */
  empty = 0;
  /** What went wrong on purpose. */
  faults: FaultCounts | undefined;
  #latencies = new Map<number, number>();
  #startedAt = performance.now();
  #shown = 0;

  /** Sets the clock that the seconds are counted by; until then devices are prepared. */
  begin(): void {
    this.#startedAt = performance.now();
  }

  acknowledge(latencyMs: number): void {
    this.acknowledged++;
    const bucket = Math.round(Math.log(Math.max(latencyMs, 0.01)) / Math.log(GROWTH));
    this.#latencies.set(bucket, (this.#latencies.get(bucket) ?? 0) + 1);
  }

  refuse(reason: string): void {
    this.refused++;
    this.firstRefusal ||= reason;
  }

  /** Milliseconds from the first sending to the acknowledgement that a share of the messages did not exceed. */
  latencyMs(share: number): number {
    let rest = Math.ceil(this.acknowledged * share);
    for (const [bucket, count] of [...this.#latencies].sort(([a], [b]) => a - b)) {
      rest -= count;
      if (rest <= 0) return Number((GROWTH ** bucket).toPrecision(3));
    }
    return 0;
  }

  line(inFlight: number): string {
    const lately = this.acknowledged - this.#shown;
    this.#shown = this.acknowledged;
    const resent = this.resent > 0 ? `, ${this.resent} resent` : "";
    return `${this.sent} sent, ${this.acknowledged} acknowledged (${lately} in the last second), ${inFlight} in flight${resent}`;
  }

  closing(inFlight: number): string {
    const { seconds, p50Ms, p99Ms } = this.report(inFlight);
    const also = [
      this.resent > 0 ? `, ${this.resent} resent` : "",
      inFlight > 0 ? `, ${inFlight} NOT acknowledged` : "",
      this.refused > 0 ? `, ${this.refused} REFUSED (first: ${this.firstRefusal})` : "",
      this.empty > 0 ? `; ${this.empty} recorded lines held no value` : "",
      this.faults ? `; ${this.faults}` : "",
    ].join("");
    return `${this.sent} messages sent, ${this.acknowledged} acknowledged in ${seconds} s (p50 ${p50Ms} ms, p99 ${p99Ms} ms)${also}`;
  }

  report(inFlight: number) {
    const { sent, acknowledged, resent, refused, reconnects, empty } = this;
    const seconds = Number(((performance.now() - this.#startedAt) / 1000).toFixed(2));
    const faults = this.faults ? { faults: this.faults } : {};
    const [p50Ms, p99Ms] = [this.latencyMs(0.5), this.latencyMs(0.99)];
    return {
      sent,
      acknowledged,
      seconds,
      p50Ms,
      p99Ms,
      resent,
      refused,
      unacknowledged: inFlight,
      reconnects,
      empty,
      ...faults,
    };
  }
}
